"""Job types: how a job of each type is lowered to steps that are command jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.model import ResolvedAsset, StepGraph
from reconciler.planning.jobs.command import lower_command
from reconciler.planning.jobs.lowering import Lowering
from reconciler.planning.jobs.pipeline import lower_pipeline
from reconciler.planning.jobs.sources import FindComponent
from reconciler.planning.jobs.sweep import lower_sweep

Planner = Callable[[ResolvedAsset, FindComponent], Lowering]

PLANNERS: Mapping[str, Planner] = {"command": lower_command, "pipeline": lower_pipeline, "sweep": lower_sweep}


def lower_job(resolved: ResolvedAsset, find_component: FindComponent) -> Lowering:
    """Return a job as a graph of steps, and what of it cannot be run."""
    planner = PLANNERS.get(str(resolved.asset.spec.get("type", "command")).lower())
    return planner(resolved, find_component) if planner else Lowering()


def lower(resolved: ResolvedAsset, find_component: FindComponent) -> StepGraph | None:
    """Return the steps of a pipeline or a sweep; None for a job without steps."""
    return lower_job(resolved, find_component).graph
