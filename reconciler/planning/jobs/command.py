"""Command jobs: one run, without steps."""

from __future__ import annotations

from reconciler.model import ResolvedAsset
from reconciler.planning.jobs.lowering import Lowering
from reconciler.planning.jobs.sources import FindComponent


def lower_command(_resolved: ResolvedAsset, _find_component: FindComponent) -> Lowering:
    """Return that a command is no graph of steps."""
    return Lowering()
