"""The objective of a sweep: which values are better, and which trial is best."""

from __future__ import annotations

import math
from collections.abc import Iterable

from reconciler.model.assets import Spec
from reconciler.model.runs import RunStatus
from reconciler.sweeps.trials import Trial


def primary_metric(sweep: Spec) -> str:
    """Return the name of the metric that a sweep optimizes."""
    return str(sweep["objective"]["primary_metric"])


def is_maximized(sweep: Spec) -> bool:
    """Return True if more of the primary metric is better."""
    return str(sweep["objective"]["goal"]).lower() == "maximize"


def best_value(sweep: Spec, values: Iterable[float]) -> float | None:
    """Return the best of the values of the primary metric that are finite; None if there is none."""
    choose = max if is_maximized(sweep) else min
    return choose(filter(math.isfinite, values), default=None)


def best_trial(sweep: Spec, trials: Iterable[Trial]) -> Trial | None:
    """Return the completed trial with the best value, of equal ones the first; None if none logged a finite value."""
    best: tuple[float, Trial] | None = None
    for trial in sorted(trials, key=lambda trial: trial.index):
        value = best_value(sweep, trial.values) if trial.status is RunStatus.COMPLETED else None
        if value is not None and (best is None or best_value(sweep, (best[0], value)) != best[0]):
            best = value, trial
    return best[1] if best else None
