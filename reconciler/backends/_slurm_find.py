"""What a plan asks of the backend `slurm` on this machine, without opening it: whether it can submit what is planned.

Slurm is asked by one sinfo, for a moment at most, and not by ssh. What it says is a warning, as it changes with the
cluster, and another machine may apply the plan.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import lru_cache

from reconciler.backends import _ssh_find
from reconciler.backends._slurm_commands import SlurmError, call, find_command
from reconciler.backends._slurm_nodes import (
    NODE_FORMAT,
    Nodes,
    count_nodes,
    find_misfits,
    format_minutes,
    in_partitions,
    label_of,
    longest_seconds,
    parse_nodes,
)
from reconciler.backends._slurm_script import STAGING_SECONDS, longest_minutes
from reconciler.diagnostics import Diagnostic, Severity, UserError
from reconciler.model import Json
from reconciler.model.capacity import Capacity, Limit, RunRequest, Settings

_SECONDS = 5.0  # that sinfo has for an answer
_KEPT_SECONDS = 10.0  # that one listing counts for: a plan asks for each run


def find_refusals(settings: Mapping[str, Json]) -> tuple[Diagnostic, ...]:
    """Return why this machine could submit no run, or Slurm would start none."""
    if "machine" in settings:
        return _ssh_find.find_refusals(settings)
    if not find_command("sbatch"):
        message = f"it submits jobs with sbatch, which is not installed on {os.uname().nodename}"
        return (
            _warning("backend-unreachable", message, "machine: of the backend names one that submits jobs, by ssh"),
        )
    nodes = _list_nodes()
    if isinstance(nodes, Diagnostic):
        return (nodes,)
    partition = str(settings.get("partition") or "")
    existing = list(dict.fromkeys(item.partition for item in nodes))
    if unknown := [name for name in partition.split(",") if name and name not in existing]:
        message = f"Slurm has no partition {', '.join(unknown)}; the partitions there are: {', '.join(existing)}"
        return (_warning("submission-refused", message, "correct partition: of the backend in mlgit.yml"),)
    own = in_partitions(nodes, partition)
    return tuple(_warning("compute-too-small", *misfit) for misfit in find_misfits(settings, own)) if own else ()


def find_machine_capacity(settings: Settings, request: RunRequest) -> Capacity:
    """Return what Slurm says of a compute: how many nodes one run can have, and for how long."""
    nodes = () if "machine" in settings or not find_command("sinfo") else _list_nodes()
    own = [] if isinstance(nodes, Diagnostic) else in_partitions(nodes, str(settings.get("partition") or ""))
    count = count_nodes(settings, own)
    instances = Limit(count, f"nodes of {label_of(own)} for one run") if count else None
    return Capacity(instances=instances, seconds=_find_time_limit(settings, request, own))


def _find_time_limit(settings: Settings, request: RunRequest, nodes: list[Nodes]) -> Limit | None:
    """Return the longest time limit of a run whose job Slurm starts: it asks for more than that, for its files."""
    seconds, minutes = longest_seconds(nodes), longest_minutes(settings.get("time"))
    if seconds is None or request.resources.timeout is None or (minutes and minutes * 60 <= seconds):
        return None
    source = f"{label_of(nodes)} ends jobs after {format_minutes(seconds)}, {STAGING_SECONDS // 60} of them for files"
    return Limit(max(0.0, seconds - STAGING_SECONDS), source)


def _list_nodes() -> list[Nodes] | Diagnostic:
    """Return the nodes of the cluster, or the warning that says why Slurm does not tell."""
    return _list_nodes_at(int(time.monotonic() // _KEPT_SECONDS), os.environ.get("SLURM_CONF", ""))


@lru_cache(maxsize=1)
def _list_nodes_at(_moment: int, _config: str) -> list[Nodes] | Diagnostic:
    try:
        return parse_nodes(call("sinfo", "--noheader", "--all", "--exact", f"--format={NODE_FORMAT}", seconds=_SECONDS))
    except UserError as error:
        return error.diagnostics[0]._replace(severity=Severity.WARNING)
    except SlurmError as error:
        message = f"sinfo of {os.uname().nodename} says: {error}"
        return _warning("backend-unreachable", message, "check it there with sinfo")


def _warning(code: str, message: str, hint: str) -> Diagnostic:
    return Diagnostic(code, message, hint=hint, severity=Severity.WARNING)
