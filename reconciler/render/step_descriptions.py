"""What is said of the steps of a run, of each in the words of a person: its state, its time, its reason and result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from reconciler.abbreviation import format_elapsed, join_some
from reconciler.model import EMPTY_MAPPING, Json, Run, RunStatus, Spec, StepRun
from reconciler.render.sanitize import sanitize_line
from reconciler.render.step_states import NOT_STARTED, STATES, step_state, summarize_steps, summarize_trials
from reconciler.secrets.redact import mask_secrets, secret_values
from reconciler.timestamps import seconds_between

_MAX_METRICS = 3
_FIRST_RUN = "no earlier run"


class TreeRow(NamedTuple):
    """A row of the tree: a step, a trial, or a nested pipeline, which has no run of its own."""

    path: str
    depth: int
    state: str
    time: str
    details: str


@dataclass(frozen=True, slots=True)
class StepView:
    """The steps of a run at one moment. ``log_lines`` are the last lines of the logs of running steps, by path.

    The secrets of the variables of the run are masked in its lines.
    """

    run: Run
    steps: Sequence[StepRun]
    now: str
    log_lines: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
    secrets: frozenset[str] = frozenset()

    def format_line(self, text: str) -> str:
        """Return text on one line, without the secrets of the run."""
        return sanitize_line(mask_secrets(text, self.secrets))


def make_view(run: Run, steps: Sequence[StepRun], now: str, log_lines: Mapping[str, str] = EMPTY_MAPPING) -> StepView:
    """Return the steps of a run as they are at a moment."""
    return StepView(run, steps, now, log_lines, secret_values(run.spec))


def _children_by_path(steps: Iterable[StepRun]) -> dict[str, list[str]]:
    """Return the paths below each path, "" for the run; nested pipelines are paths without a step."""
    children: dict[str, list[str]] = {"": []}
    for step in steps:
        names = step.step.split(".")
        for depth in range(1, len(names) + 1):
            path = ".".join(names[:depth])
            if path not in children:
                children[path] = []
                children[".".join(names[: depth - 1])].append(path)
    return children


def _walk_paths(children: Mapping[str, list[str]], parent: str) -> Iterator[str]:
    """Yield the paths below a path, each before those below it."""
    for path in children[parent]:
        yield path
        yield from _walk_paths(children, path)


def _primary_metrics(spec: Spec, prefix: str = "") -> dict[str, str]:
    """Return the metric that each sweep of a job optimizes, by the path of its step."""
    objective = spec.get("objective")
    if isinstance(objective, Mapping):
        return {prefix or "sweep": str(objective.get("primary_metric", ""))}
    component = spec.get("component")
    if isinstance(component, Mapping):
        spec = component
    nodes = spec.get("jobs")
    metrics: dict[str, str] = {}
    for name, node in nodes.items() if isinstance(nodes, Mapping) else ():
        if isinstance(node, Mapping):
            metrics |= _primary_metrics(node, f"{prefix}.{name}" if prefix else str(name))
    return metrics


@dataclass(frozen=True, slots=True)
class StepDescriptions:
    """Describes the steps of a view, which are known by their paths."""

    view: StepView
    by_path: Mapping[str, StepRun]
    children: Mapping[str, list[str]]
    primary_metrics: Mapping[str, str]

    @classmethod
    def of_view(cls, view: StepView) -> StepDescriptions:
        """Return the descriptions of the steps of a view."""
        by_path = {step.step: step for step in view.steps}
        return cls(view, by_path, _children_by_path(view.steps), _primary_metrics(view.run.spec))

    @property
    def paths(self) -> list[str]:
        """The paths of the rows, each before those below it."""
        return list(_walk_paths(self.children, ""))

    def row(self, path: str) -> TreeRow:
        """Return the row of a step or, of a nested pipeline, what its steps say together."""
        step = self.by_path.get(path)
        depth = path.count(".")
        if step is not None:
            return TreeRow(path, depth, step_state(step), self._time(step), self._details(step))
        below = [self.by_path[child] for child in _walk_paths(self.children, path) if child in self.by_path]
        own = [inner for inner in below if not inner.is_trial]
        states = {step_state(inner) for inner in own}
        state = next((state for state in STATES if state in states), "")
        return TreeRow(path, depth, self._group_state(states, state), self._span(own), summarize_steps(own))

    def event(self, step: StepRun) -> str:
        """Return what happened to a step."""
        if step.reused_from:
            return f"reused from {step.reused_from}"
        attempt = f" (attempt {step.attempt})" if step.attempt > 1 else ""
        if step.status.is_active:
            state = f"{step.status} on {step.backend}" if step.backend else str(step.status)
            details = _format_values(step.params) if step.is_trial else ""
        else:
            after = f" after {time}" if (time := self._time(step)) else ""
            state, details = f"{step.status.label}{after}", self._result(step)
        return ": ".join(filter(None, (f"{state}{attempt}", details)))

    @staticmethod
    def _group_state(states: set[str], first: str) -> str:
        """Return the state of a nested pipeline: it runs as long as a step of it runs or has not started."""
        is_started = not states <= {NOT_STARTED}
        if RunStatus.RUNNING in states or (is_started and NOT_STARTED in states and RunStatus.FAILED not in states):
            return str(RunStatus.RUNNING)
        return first

    def _span(self, steps: Iterable[StepRun]) -> str:
        """Return the time from the first start to the last end."""
        own = [step for step in steps if step.started_at and not step.reused_from]
        start = min((step.started_at for step in own), default="")
        is_ended = all(step.ended_at for step in own)
        return self._format_time(start, max((step.ended_at for step in own), default="") if is_ended else "")

    def _time(self, step: StepRun) -> str:
        return "" if step.reused_from else self._format_time(step.started_at, step.ended_at)

    def _format_time(self, start: str, end: str) -> str:
        """Return how long something took, or in whole seconds how long it has taken so far; "" before its start."""
        seconds = seconds_between(start, end or self.view.now) if start else None
        if seconds is None:
            return ""
        return format_elapsed(seconds if end else int(seconds))

    def _details(self, step: StepRun) -> str:
        """Return what is to be said of a step: where its result is from, why it runs, what came of it."""
        if step.reused_from:
            return f"from {step.reused_from}"
        if step.status is RunStatus.RUNNING and (line := self.view.log_lines.get(step.step)):
            return line
        if step.is_trial:
            return ("best: " if step.is_best else "") + self._result(step)
        if step.status is RunStatus.NOT_STARTED:
            awaited = self._awaited(step)
            return step.message or step.reason or (f"after {join_some(awaited)}" if awaited else "")
        trials = [trial for path in self.children.get(step.step, ()) if (trial := self.by_path.get(path))]
        has_failed = step.message and step.status is not RunStatus.COMPLETED
        reason = "" if has_failed else _reason_clause(step.reason)
        if trials:
            return "; ".join(filter(None, (self._result(step), self._trials(trials), reason)))
        return "; ".join(filter(None, (reason, self._result(step))))

    def _awaited(self, step: StepRun) -> list[str]:
        """Return the steps that a step waits for."""
        others = ((name, self.by_path.get(name)) for name in step.needs)
        return [name for name, other in others if other is None or other.status is not RunStatus.COMPLETED]

    def _trials(self, trials: Sequence[StepRun]) -> str:
        """Return the best trial of a sweep, and how many have each state."""
        best = next((trial for trial in trials if trial.is_best), None)
        metrics = self._metrics(best) if best else ""
        named = f"best: {best.step}{f', {metrics}' if metrics else ''}; " if best else ""
        return named + summarize_trials(trials)

    def _result(self, step: StepRun) -> str:
        """Return why a step failed, or what it logged; of a trial also the values that it tried."""
        problem = _problem_text(step)
        has_trials = bool(self.children.get(step.step))
        params = _format_values(step.params) if step.is_trial else ""
        return "; ".join(filter(None, (problem or ("" if has_trials else self._metrics(step)), params)))

    def _metrics(self, step: StepRun) -> str:
        primary = self.primary_metrics.get(step.step.rpartition(".")[0], "") if step.is_trial else ""
        if primary in step.metrics:
            value = step.metrics[primary] if step.best_value is None else step.best_value
            return _format_values({primary: value})
        return _format_values(dict(list(step.metrics.items())[:_MAX_METRICS]))


def _reason_clause(reason: str) -> str:
    """Return why a step ran, behind what it did."""
    return f"because {reason}" if reason and not reason.startswith(_FIRST_RUN) else reason


def _problem_text(step: StepRun) -> str:
    """Return why a step failed, or what cut a sweep off, in one line; "" for neither."""
    if step.status.is_active:
        return ""
    if step.status is RunStatus.COMPLETED:
        return step.message
    exit_code = f"exit code {step.exit_code}" if step.exit_code else ""
    return step.message.partition("\n")[0] or exit_code


def _format_values(values: Mapping[str, Json]) -> str:
    return ", ".join(f"{name} {_format_value(value)}" for name, value in values.items())


def _format_value(value: Json) -> str:
    """Return a value with as many digits of a number as a person compares."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
