"""How many trials a sweep has, how many at once, and how long they take at most; None for what it does not limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.model import Step
from reconciler.planning.run_requests import read_number


class SweepLimits(NamedTuple):
    """The limits of a sweep: trials in all, trials at once, and seconds of the whole sweep."""

    trials: int | None
    concurrent: int | None
    timeout: float | None

    def run_seconds(self, trial_timeout: float | None) -> float | None:
        """Return how long all trials together run at most."""
        by_trial = self.trials * trial_timeout if self.trials is not None and trial_timeout is not None else None
        at_once = self.trials if self.concurrent is None else self.concurrent
        in_all = at_once * self.timeout if at_once is not None and self.timeout is not None else None
        return min((seconds for seconds in (by_trial, in_all) if seconds is not None), default=None)


def read_sweep_limits(step: Step) -> SweepLimits | None:
    """Return the limits of a step that is a sweep; None for any other."""
    if step.sweep is None:
        return None
    declared = step.sweep.get("limits")
    limits = declared if isinstance(declared, Mapping) else {}
    trials, concurrent = (_read_count(limits, name) for name in ("max_total_trials", "max_concurrent_trials"))
    if trials is not None and concurrent is not None:
        concurrent = min(trials, concurrent)
    return SweepLimits(trials, concurrent, read_number(limits.get("timeout")))


def _read_count(limits: Mapping[str, object], name: str) -> int | None:
    number = read_number(limits.get(name))
    return None if number is None else int(number)
