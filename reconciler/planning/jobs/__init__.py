"""Job types: how a job of each type is lowered to steps that are command jobs, and what mlgit does of it itself.

A module that lowers jobs is imported by name, for the first job of its type: most plans have commands only.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import NamedTuple

from reconciler.model import ResolvedAsset, Spec, StepGraph
from reconciler.model.support import Support
from reconciler.planning.jobs.lowering import Lowering
from reconciler.planning.jobs.sources import FindComponent
from reconciler.planning.jobs.support import PIPELINE_SUPPORT, SWEEP_SUPPORT

_DEFAULT_TYPE = "command"


class Planner(NamedTuple):
    """How jobs of one type are run: by steps of their own, or as the one run that a backend executes.

    ``module`` has the function ``lower`` that makes the steps, "" if there are none. ``support`` is what mlgit does
    itself, None if a backend runs the whole job.
    """

    module: str = ""
    support: Support | None = None

    def lower(self, resolved: ResolvedAsset, find_component: FindComponent) -> Lowering:
        """Return a job as a graph of steps, and what of it cannot be run."""
        if not self.module:
            return Lowering()
        lowering: Lowering = importlib.import_module(self.module).lower(resolved, find_component)
        return lowering


PLANNERS: Mapping[str, Planner] = {
    _DEFAULT_TYPE: Planner(),
    "pipeline": Planner(f"{__name__}.pipeline", PIPELINE_SUPPORT),
    "sweep": Planner(f"{__name__}.sweep", SWEEP_SUPPORT),
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
