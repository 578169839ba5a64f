"""What comes of lowering a job to steps: the graph, and what of the job no step can be made of."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import StepGraph

CANNOT_READ = "mlgit cannot read the component"


class NodeProblem(NamedTuple):
    """A part of a job that cannot be run: its JSON pointer in the spec of the job, why, what to do, and the code."""

    pointer: str
    message: str
    hint: str
    code: str = "not-supported"


class Lowering(NamedTuple):
    """A job as a graph of steps; ``graph`` is None for a job that is no pipeline and no sweep."""

    graph: StepGraph | None = None
    problems: tuple[NodeProblem, ...] = ()
