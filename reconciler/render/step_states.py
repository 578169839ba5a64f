"""The states of steps as a person reads them, and how many steps have each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from reconciler.abbreviation import pluralize
from reconciler.model import RunStatus, StepRun

REUSED = "reused"
NOT_STARTED = RunStatus.NOT_STARTED.label
STATES = (  # in the order in which they are counted
    *map(str, (RunStatus.FAILED, RunStatus.LOST, RunStatus.CANCELED, RunStatus.RUNNING, RunStatus.QUEUED)),
    *(str(RunStatus.INTENDED), str(RunStatus.COMPLETED), REUSED, NOT_STARTED),
)


def step_state(step: StepRun) -> str:
    """Return the status of a step as a person reads it: one that was reused is told from one that ran."""
    return REUSED if step.reused_from else step.status.label


def count_states(states: Iterable[str]) -> str:
    """Return how many steps have each state: ``1 failed, 2 completed``."""
    counts = Counter(states)
    return ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])


def summarize_steps(steps: Sequence[StepRun]) -> str:
    """Return how many steps, and how many trials of sweeps, have each state."""
    own, trials = _split_trials(steps)
    if len(own) == 1 and trials:
        return summarize_trials(trials)  # of a sweep job
    parts = (pluralize(len(own), "step"), count_states(map(step_state, own)))
    summary = ": ".join(filter(None, parts))
    return f"{summary}; {summarize_trials(trials)}" if trials else summary


def _split_trials(steps: Iterable[StepRun]) -> tuple[list[StepRun], list[StepRun]]:
    own: list[StepRun] = []
    trials: list[StepRun] = []
    for step in steps:
        (trials if step.is_trial else own).append(step)
    return own, trials


def summarize_trials(trials: Sequence[StepRun]) -> str:
    """Return how many trials have each state."""
    return f"{pluralize(len(trials), 'trial')}: {count_states(map(step_state, trials))}"
