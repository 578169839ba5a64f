"""The outputs of jobs that other assets name: those of a run, and those of its steps as ``STEP.OUTPUT``.

An output of a step was made by the run that executed the step. A later run that reused it makes no new version of what
is derived from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.format.suggest import did_you_mean
from reconciler.model import DEFAULT_ARTIFACTS, Json, Reference, Run, Spec, State, StepGraph
from reconciler.planning.fingerprint import json_digest


class JobOutput(NamedTuple):
    """An output as it is recorded; ``executed_by`` is the run that made it, of a step ``RUN/STEP``."""

    recorded: Mapping[str, Json]
    executed_by: str

    @property
    def key(self) -> str:
        """The key of its content in the store, "" if it is not there yet."""
        return str(self.recorded.get("md5", ""))

    @property
    def run(self) -> str:
        """The run that made it, also if the output is of a step that another run has reused."""
        return self.executed_by.partition("/")[0]

    @property
    def identity(self) -> str:
        """What stands for the output in the fingerprint of what is derived from it: the run that made it."""
        return json_digest(self.run)


def find_job_output(state: State, run: Run, name: str) -> JobOutput | None:
    """Return an output of a run, or of a step of it, ``STEP.OUTPUT``; None if it has none of that name."""
    if name in run.outputs:
        recorded = run.outputs[name] or {}
        return JobOutput(recorded, str(recorded.get("origin") or run.id))
    for step in state.find_steps(run.id) if "." in name else ():
        output = step.outputs.get(name.removeprefix(f"{step.step}.")) if name.startswith(f"{step.step}.") else None
        if output is not None:
            return JobOutput(output, step.reused_from or f"{run.id}/{step.step}")
    return None


def missing_output(reference: Reference, job: Spec, graph: StepGraph | None) -> tuple[str, str] | None:
    """Return the message and the hint for a reference to an output that a job does not have; None if it has it.

    ``graph`` are its steps. One whose component is not known may have any output.
    """
    outputs = job.get("outputs")
    names = [str(name) for name in outputs] if isinstance(outputs, Mapping) else []
    if graph is None or DEFAULT_ARTIFACTS in graph.outputs:
        names.append(DEFAULT_ARTIFACTS)
    of_steps = [] if graph is None else list(_step_outputs(graph))
    if reference.output in names or reference.output in of_steps or _is_unknown(reference.output, job, graph):
        return None
    shown = [name for name in names if name != DEFAULT_ARTIFACTS]
    hint = did_you_mean(reference.output, [*shown, *of_steps]) or f"outputs it has: {', '.join(shown) or 'none'}"
    if of_steps:
        hint += "; that of a step is STEP.OUTPUT"
    return f"{reference.address} has no output {reference.output}", hint


def _step_outputs(graph: StepGraph) -> Mapping[str, None]:
    """Return the outputs of the steps of a graph, each by its step, the default artifacts included."""
    return {
        f"{path}.{name}": None
        for path, step in graph.steps.items()
        for name in (*step.job.asset.spec.get("outputs", {}), DEFAULT_ARTIFACTS)
    }


def _is_unknown(output: str, job: Spec, graph: StepGraph | None) -> bool:
    """Return True for an output of a node that is no step of the graph: its component is not known."""
    node, _, name = output.partition(".")
    nodes = job.get("jobs")
    if graph is None or not name or not isinstance(nodes, Mapping) or node not in nodes:
        return False
    return not any(path.partition(".")[0] == node for path in graph.steps)
