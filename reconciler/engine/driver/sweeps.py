"""The sweeps of a graph: which trials start and stop, and what becomes of a sweep when they have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.engine.driver.decisions import Table
from reconciler.engine.driver.graph import FrozenGraph
from reconciler.model import Json, RunStatus
from reconciler.model.step_runs import StepRun
from reconciler.model.tasks import Task

ReadMetrics = Callable[[StepRun], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class SweepDecisions:
    """The new state of sweeps and their trials by path, and the paths of the trials that are to be canceled."""

    changes: dict[str, StepRun] = field(default_factory=dict)
    stopped: tuple[str, ...] = ()


def decide_sweeps(
    graph: FrozenGraph, table: Table, _read_metrics: ReadMetrics, *, is_canceled: bool = False
) -> SweepDecisions:
    """Return what is decided about the sweeps that have started.

    A sweep is intended by `decide_steps`, with a token and no run; it is active until it is decided here that it has
    ended. Its trials are steps with the path of the sweep and their number, made by `decisions.new_trial`, with their
    point as ``params``; the loop submits, polls, cancels and collects them as it does with steps.
    """
    message = "the run was canceled" if is_canceled else "this version of mlgit does not run sweeps"
    status = RunStatus.CANCELED if is_canceled else RunStatus.FAILED
    sweeps = (path for path, step in graph.steps.items() if step.sweep is not None and path in table)
    return SweepDecisions(
        {
            path: replace(table[path], status=status, failure="user", message=message)
            for path in sweeps
            if table[path].status.is_active
        }
    )


def trial_task(task: Task, params: Mapping[str, Json]) -> Task:
    """Return the task of a trial: that of its sweep with the values of the search space."""
    command = task.command
    for name, value in params.items():
        command = command.replace(f"${{{{search_space.{name}}}}}", str(value))
    return replace(task, command=command)
