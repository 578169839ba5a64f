"""Early termination: the trials that a sweep stops because they do badly.

As Azure ML defines it: each value of the primary metric that a trial logs is an interval of that trial. A policy is
applied to a trial at the multiples of ``evaluation_interval`` from ``delay_evaluation`` on, and compares what the trial
did up to that interval with what the others did up to the same interval, those that ended included. Trials that did not
come so far are not compared. Inside this module more is better: the values of a metric to minimize are negated, and
what is no finite number is worse than any.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median
from typing import NamedTuple

from reconciler.model.assets import Json, Spec
from reconciler.sweeps.objective import is_maximized, primary_metric
from reconciler.sweeps.settings import read_number, read_type
from reconciler.sweeps.trials import Trial


class _Bound(NamedTuple):
    """The score below which a trial is stopped, and what it is, in which {best} is the best value of all."""

    score: float
    meaning: str


Scores = Sequence[Sequence[float]]
"""The scores up to an interval of every trial that came so far."""


def trials_to_stop(sweep: Spec, trials: Sequence[Trial]) -> dict[int, str]:
    """Return the numbers of the running trials that the policy of a sweep stops, each with the reason."""
    policy = sweep.get("early_termination")
    if not policy:
        return {}
    interval = _read_setting(policy, "evaluation_interval", 1)
    delay = _read_setting(policy, "delay_evaluation", 0)
    sign = 1 if is_maximized(sweep) else -1
    scores = {trial.index: [_to_score(value, sign) for value in trial.values] for trial in trials}
    reasons: dict[int, str] = {}
    for trial in trials:
        position = int(len(trial.values) // interval * interval)
        if trial.status.is_active and position >= max(delay, 1):
            compared = [own[:position] for own in scores.values() if len(own) >= position]
            own_best, bound = max(scores[trial.index][:position]), _BOUNDS[read_type(policy)](policy, compared)
            if own_best < bound.score:
                meaning = bound.meaning.format(best=_to_text(max(map(max, compared)), sign))
                reasons[trial.index] = (
                    f"stopped at interval {position} by {policy['type']}: {primary_metric(sweep)} "
                    f"{_to_text(own_best, sign)} is worse than {_to_text(bound.score, sign)}, {meaning}"
                )
    return reasons


def bandit_bound(policy: Mapping[str, Json], scores: Scores) -> _Bound:
    """Return the best score less the slack: with a maximum of 0.8 and a factor of 0.2, it is 0.8 / 1.2."""
    best = max(map(max, scores))
    if policy.get("slack_factor") is not None:
        factor = 1 + _read_setting(policy, "slack_factor", 0)
        # A negative score divided by the factor would be better than the best.
        score = best / factor if best > 0 else best * factor
        return _Bound(score, f"the limit for a best of {{best}} and slack_factor {policy['slack_factor']}")
    amount = _read_setting(policy, "slack_amount", 0)
    return _Bound(best - amount, f"the limit for a best of {{best}} and slack_amount {amount}")


def median_bound(_policy: Mapping[str, Json], scores: Scores) -> _Bound:
    """Return the median of the averages of all trials."""
    return _Bound(median(map(fmean, scores)), f"the median of the averages of {len(scores)} trials")


def truncation_bound(policy: Mapping[str, Json], scores: Scores) -> _Bound:
    """Return the best score of the first trial that is not among the lowest X %; equal ones stay with it."""
    percentage = _read_setting(policy, "truncation_percentage", 0)
    lowest = int(len(scores) * percentage / 100)
    return _Bound(
        sorted(map(max, scores))[lowest], f"which puts it in the lowest {percentage} % of {len(scores)} trials"
    )


_BOUNDS: Mapping[str, Callable[[Mapping[str, Json], Scores], _Bound]] = {
    "bandit": bandit_bound,
    "medianstopping": median_bound,
    "truncationselection": truncation_bound,
}


def _read_setting(policy: Mapping[str, Json], name: str, default: float) -> float:
    value = policy.get(name)
    return default if value is None else read_number(value)


def _to_score(value: float, sign: int) -> float:
    return sign * value if math.isfinite(value) else -math.inf


def _to_text(score: float, sign: int) -> str:
    return f"{sign * score:.6g}" if math.isfinite(score) else "(no finite number)"
