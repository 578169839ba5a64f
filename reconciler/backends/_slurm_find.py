"""What a plan asks of the backend `slurm` on this machine, without opening it: whether it can submit jobs."""

from __future__ import annotations

import os
from collections.abc import Mapping

from reconciler.backends import _ssh_find
from reconciler.backends._slurm_commands import find_command
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.model import Json


def find_refusals(settings: Mapping[str, Json]) -> tuple[Diagnostic, ...]:
    """Return why this machine could submit no run."""
    if "machine" in settings:
        return _ssh_find.find_refusals(settings)
    if find_command("sbatch"):
        return ()
    message = f"it submits jobs with sbatch, which is not installed on {os.uname().nodename}"
    hint = "machine: of the backend names one that submits jobs, by ssh"
    return (Diagnostic("backend-unreachable", message, hint=hint, severity=Severity.WARNING),)
