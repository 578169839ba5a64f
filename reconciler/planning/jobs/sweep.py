"""Sweep jobs: a graph of one step, whose trials are runs of its command."""

from __future__ import annotations

from reconciler.model import DEFAULT_ARTIFACTS, ResolvedAsset, StepGraph
from reconciler.model.resolved import StepOutput
from reconciler.planning.jobs.lowering import Lowering
from reconciler.planning.jobs.nodes import SWEEP, Node, Scope
from reconciler.planning.jobs.sources import FindComponent, job_part
from reconciler.planning.jobs.steps import make_step


def lower(resolved: ResolvedAsset, _find_component: FindComponent) -> Lowering:
    """Return the one step of a sweep; its outputs, default artifacts included, are those of the sweep."""
    root = job_part(resolved)
    node = Node(SWEEP, root, root.child("trial"), SWEEP)
    step = make_step(resolved.asset, Scope({}, {}, {}), node)
    names = (*root.children("outputs"), DEFAULT_ARTIFACTS)
    outputs = {name: StepOutput(step.path, name) for name in names}
    return Lowering(StepGraph({step.path: step}, outputs, is_sweep=True))
