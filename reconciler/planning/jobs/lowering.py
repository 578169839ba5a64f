"""What comes of lowering a job to steps: the graph, and what of the job no step can be made of."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import StepGraph


class NodeProblem(NamedTuple):
    """A part of a job that cannot be run: its JSON pointer in the spec of the job, why, and what to do."""

    pointer: str
    message: str
    hint: str


class Lowering(NamedTuple):
    """A job as a graph of steps; ``graph`` is None for a job that is no pipeline and no sweep."""

    graph: StepGraph | None = None
    problems: tuple[NodeProblem, ...] = ()
