"""The sweeps of a graph: which trials start and stop, and what becomes of a sweep when they have ended."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from reconciler.abbreviation import join_some, pluralize
from reconciler.diagnostics import UserError
from reconciler.engine.driver.decisions import Table, find_stop_reason, is_retried, new_trial, next_attempt
from reconciler.engine.driver.graph import FrozenGraph, FrozenStep
from reconciler.model import Json, RunStatus, Spec
from reconciler.model.logged_metrics import parse_metrics
from reconciler.model.runs import STOPPED_EARLY
from reconciler.model.step_runs import StepRun
from reconciler.model.tasks import Task, TaskLiteral
from reconciler.sweeps.objective import best_trial, best_value, primary_metric
from reconciler.sweeps.sampling import next_trials
from reconciler.sweeps.settings import DEFAULT_TIMEOUT, read_limit
from reconciler.sweeps.termination import trials_to_stop
from reconciler.sweeps.trials import Trial
from reconciler.timestamps import seconds_between

ReadMetrics = Callable[[StepRun], Iterator[bytes]]
Values = Mapping[str, tuple[float, ...]]
"""What a run has logged: the values of each metric, in their order."""

_TIMEOUT = "timeout"
_MAX_WAITING_TRIALS = 8  # of a sweep without max_concurrent_trials
_SEARCH_SPACE_EXPRESSION = re.compile(r"\$\{\{\s*search_space\.([^{}\s]+)\s*\}\}")


class MetricReader:
    """Reads what trials have logged; of those that have ended, once."""

    def __init__(self, read: ReadMetrics) -> None:
        self._read = read
        self._ended: dict[str, Values] = {}

    def values(self, run: StepRun) -> Values:
        """Return what a run has logged so far; of one whose files are gone, the last values, which are recorded."""
        if run.token in self._ended:
            return self._ended[run.token]
        logged: dict[str, list[float]] = defaultdict(list)
        for metric in parse_metrics(self._read(run))[0]:
            logged[metric["key"]].append(float(metric["value"]))
        values: Values = {name: tuple(numbers) for name, numbers in logged.items()}
        if run.status.is_active:
            return values
        self._ended[run.token] = {**{name: (float(value),) for name, value in run.metrics.items()}, **values}
        return self._ended[run.token]


@dataclass(frozen=True, slots=True)
class SweepDecisions:
    """The new state of sweeps and their trials by path, and the paths of the trials that are to be canceled."""

    changes: dict[str, StepRun] = field(default_factory=dict)
    stopped: tuple[str, ...] = ()


class _Sweep(NamedTuple):
    """A sweep that has started: its step, its run, and those of its trials by their numbers."""

    graph: FrozenGraph
    step: FrozenStep
    run: StepRun
    trials: list[StepRun]

    @property
    def spec(self) -> Spec:
        if self.step.sweep is None:
            raise AssertionError(self.step.path)
        return self.step.sweep


def decide_sweeps(
    graph: FrozenGraph, table: Table, reader: MetricReader, now: str, *, is_canceled: bool = False
) -> SweepDecisions:
    """Return what is decided about the sweeps that have started.

    A sweep is intended by `decide_steps`, with a token and no run; it is active until it is decided here that it has
    ended. Its trials are steps with the path of the sweep and their number, with their point as ``params``; the loop
    submits, polls, cancels and collects them as it does with steps. That a trial is to be canceled is decided by its
    ``failure``, and done when that is recorded.
    """
    stop_reason = find_stop_reason(graph, table, is_canceled=is_canceled)
    changes: dict[str, StepRun] = {}
    stopped: list[str] = []
    for path, step in graph.steps.items():
        run = table.get(path)
        if step.sweep is not None and run is not None and run.status.is_active:
            sweep = _Sweep(graph, step, run, find_trials(table, path))
            stopped += [trial.step for trial in sweep.trials if trial.status.is_active and trial.failure]
            with suppress(UserError):  # what trials have logged cannot be read at present
                changes |= _decide_sweep(sweep, reader, now, stop_reason)
    return SweepDecisions(changes, tuple(stopped))


def find_trials(table: Table, path: str) -> list[StepRun]:
    """Return the trials of a sweep by their numbers."""
    prefix = f"{path}."
    return sorted(
        (run for name, run in table.items() if name.startswith(prefix) and name[len(prefix) :].isdecimal()),
        key=lambda run: int(run.step[len(prefix) :]),
    )


def _decide_sweep(sweep: _Sweep, reader: MetricReader, now: str, stop_reason: str) -> dict[str, StepRun]:
    evaluated = _with_best_values(sweep, reader)
    sweep = sweep._replace(trials=[evaluated.get(trial.step, trial) for trial in sweep.trials])
    return evaluated | (_stop_sweep(sweep, stop_reason, now) if stop_reason else _continue_sweep(sweep, reader, now))


def _with_best_values(sweep: _Sweep, reader: MetricReader) -> dict[str, StepRun]:
    """Return the trials that have ended with the best value that they logged, if that is not recorded yet."""
    metric = primary_metric(sweep.spec)
    evaluated = {
        trial.step: replace(trial, best_value=best_value(sweep.spec, reader.values(trial).get(metric, ())))
        for trial in sweep.trials
        if not trial.status.is_active and trial.best_value is None and metric in trial.metrics
    }
    return {path: trial for path, trial in evaluated.items() if trial.best_value is not None}


def _stop_sweep(sweep: _Sweep, reason: str, now: str) -> dict[str, StepRun]:
    """Return a sweep as canceled when none of its trials is active any more; the loop cancels them."""
    if any(trial.status.is_active for trial in sweep.trials):
        return {}
    path = sweep.step.path
    return {path: replace(sweep.run, status=RunStatus.CANCELED, failure="user", message=reason, ended_at=now)}


def _continue_sweep(sweep: _Sweep, reader: MetricReader, now: str) -> dict[str, StepRun]:
    timeout = read_limit(sweep.spec, "timeout", DEFAULT_TIMEOUT)
    seconds = seconds_between(sweep.run.started_at, now)
    end = f"the sweep reached its limits.timeout of {pluralize(timeout, 'second')}" if (seconds or 0) > timeout else ""
    active = [trial for trial in sweep.trials if trial.status.is_active]
    if end:
        decided = {trial.step: _to_be_canceled(trial, _TIMEOUT, end) for trial in active if not trial.failure}
    else:
        decided = _stop_early(sweep, active, reader) | _start_trials(sweep)
    if not active and not decided:
        return _end_sweep(sweep, now, end)
    if sweep.run.status is not RunStatus.RUNNING:
        decided[sweep.step.path] = replace(sweep.run, status=RunStatus.RUNNING, submitted_at=now, started_at=now)
    return decided


def _to_be_canceled(trial: StepRun, failure: str, message: str) -> StepRun:
    return replace(trial, failure=failure, message=message)


def _stop_early(sweep: _Sweep, active: Iterable[StepRun], reader: MetricReader) -> dict[str, StepRun]:
    """Return the trials that the policy of a sweep stops; what they have logged is only read if there is one."""
    if not sweep.spec.get("early_termination"):
        return {}
    metric = primary_metric(sweep.spec)
    logged = [_as_trial(index, trial, reader.values(trial).get(metric, ())) for index, trial in enumerate(sweep.trials)]
    reasons = {sweep.trials[index].step: reason for index, reason in trials_to_stop(sweep.spec, logged).items()}
    return {
        trial.step: _to_be_canceled(trial, STOPPED_EARLY, reasons[trial.step])
        for trial in active
        if trial.step in reasons and not trial.failure
    }


def _start_trials(sweep: _Sweep) -> dict[str, StepRun]:
    """Return the trials that start now: those that were lost and have another attempt, and new ones."""
    again = [next_attempt(sweep.graph, trial) for trial in sweep.trials if is_retried(sweep.graph, trial)]
    known = {trial.step: trial for trial in [*sweep.trials, *again]}
    started = next_trials(sweep.spec, _recorded(known.values()), sweep.graph.token, _free_places(sweep, known.values()))
    new = [new_trial(sweep.graph, _make_trial(sweep, trial)) for trial in started]
    return {trial.step: trial for trial in [*again, *new]}


def _free_places(sweep: _Sweep, trials: Iterable[StepRun]) -> int | None:
    """Return how many trials may start for want of a limit of the sweep: a few more than what runs at present.

    Where few of them run at a time, the points of a bayesian sweep then follow from more results.
    """
    if (sweep.spec.get("limits") or {}).get("max_concurrent_trials") is not None:
        return None
    waiting = sum(trial.status in (RunStatus.INTENDED, RunStatus.QUEUED) for trial in trials)
    return max(0, _MAX_WAITING_TRIALS - waiting)


def _make_trial(sweep: _Sweep, trial: Trial) -> StepRun:
    step = sweep.step
    return StepRun(
        f"{step.path}.{trial.index}",
        RunStatus.INTENDED,
        backend=step.backend,
        component=step.component,
        environment=step.environment,
        environment_name=step.environment_name,
        environment_fingerprint=step.environment_fingerprint,
        inputs=sweep.run.inputs,
        params=trial.params,
    )


def _recorded(trials: Iterable[StepRun]) -> list[Trial]:
    """Return trials with what is recorded of them: of those that have ended, the best value."""
    return [
        _as_trial(index, trial, () if trial.best_value is None else (trial.best_value,))
        for index, trial in enumerate(trials)
    ]


def _as_trial(index: int, trial: StepRun, values: tuple[float, ...]) -> Trial:
    return Trial(index, trial.params, trial.status, values)


def _end_sweep(sweep: _Sweep, now: str, end: str) -> dict[str, StepRun]:
    """Return a sweep that has ended: with the results of its best trial, which is marked, or as failed."""
    best = best_trial(sweep.spec, _recorded(sweep.trials))
    if best is None:
        message = "; ".join(filter(None, (end, _explain_failure(sweep))))
        failure = _TIMEOUT if end else "user"
        failed = replace(sweep.run, status=RunStatus.FAILED, failure=failure, message=message, ended_at=now)
        return {sweep.step.path: failed}
    trial = sweep.trials[best.index]
    completed = replace(
        sweep.run,
        status=RunStatus.COMPLETED,
        message=end or _describe_timeout(sweep),
        ended_at=now,
        backend=trial.backend,
        handle=trial.handle,
        outputs=trial.outputs,
        metrics={**trial.metrics, primary_metric(sweep.spec): trial.best_value},
        params=trial.params,
        best_value=trial.best_value,
    )
    return {trial.step: replace(trial, is_best=True), sweep.step.path: completed}


def _describe_timeout(sweep: _Sweep) -> str:
    """Return which trial reached its time limit, "" for none: with more time the result might be another one."""
    return next((f"{trial.step}: {trial.message}" for trial in sweep.trials if trial.failure == _TIMEOUT), "")


def _explain_failure(sweep: _Sweep) -> str:
    """Return why a sweep has no best trial."""
    metric = primary_metric(sweep.spec)
    completed = [trial for trial in sweep.trials if trial.status is RunStatus.COMPLETED]
    if not completed:
        first = next((trial for trial in sweep.trials if trial.message and trial.status is RunStatus.FAILED), None)
        reason = f": {first.step} failed: {first.message}" if first else ""
        return f"none of {pluralize(len(sweep.trials), 'trial')} completed{reason}"
    if any(metric in trial.metrics for trial in completed):
        return f"no trial that completed logged a finite {metric}"
    logged = sorted({name for trial in completed for name in trial.metrics})
    return f"no trial logged {metric}; they logged{f': {join_some(logged)}' if logged else ' no metrics'}"


def trial_task(task: Task, params: Mapping[str, Json]) -> Task:
    """Return the task of a trial: that of its sweep, with the values of the search space as inputs.

    A command uses them as ``${{search_space.x}}``, that of a component as ``${{inputs.x}}``.
    """
    inputs = {**task.inputs, **{name: TaskLiteral(value) for name, value in params.items()}}
    command = _SEARCH_SPACE_EXPRESSION.sub(
        lambda match: f"${{{{inputs.{match[1]}}}}}" if match[1] in params else match[0], task.command
    )
    return replace(task, command=command, inputs=inputs)
