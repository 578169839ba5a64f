"""Job types: how a job of each type is lowered to steps that are command jobs, and what mlgit does of it itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from reconciler.model import ResolvedAsset, Spec, StepGraph
from reconciler.model.support import Support
from reconciler.planning.jobs.command import lower_command
from reconciler.planning.jobs.lowering import Lowering
from reconciler.planning.jobs.pipeline import lower_pipeline
from reconciler.planning.jobs.sources import FindComponent
from reconciler.planning.jobs.support import PIPELINE_SUPPORT, SWEEP_SUPPORT
from reconciler.planning.jobs.sweep import lower_sweep

_DEFAULT_TYPE = "command"


class Planner(NamedTuple):
    """How jobs of one type are run. ``support`` is what mlgit does itself, None if a backend runs the whole job."""

    lower: Callable[[ResolvedAsset, FindComponent], Lowering]
    support: Support | None = None


PLANNERS: Mapping[str, Planner] = {
    _DEFAULT_TYPE: Planner(lower_command),
    "pipeline": Planner(lower_pipeline, PIPELINE_SUPPORT),
    "sweep": Planner(lower_sweep, SWEEP_SUPPORT),
}


def find_planner(spec: Spec) -> Planner | None:
    """Return the planner of a job by its type; None for a type that cannot be run."""
    return PLANNERS.get(str(spec.get("type", _DEFAULT_TYPE)).lower())


def lower_job(resolved: ResolvedAsset, find_component: FindComponent) -> Lowering:
    """Return a job as a graph of steps, and what of it cannot be run."""
    planner = find_planner(resolved.asset.spec)
    return planner.lower(resolved, find_component) if planner else Lowering()


def lower(resolved: ResolvedAsset, find_component: FindComponent) -> StepGraph | None:
    """Return the steps of a pipeline or a sweep; None for a job without steps."""
    return lower_job(resolved, find_component).graph
