"""The trials that a sweep starts next."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.assets import Json, Spec
from reconciler.model.runs import RunStatus
from reconciler.sweeps.bayesian import bayesian_point
from reconciler.sweeps.grid import grid_point, grid_size
from reconciler.sweeps.random_sampling import random_quantiles, sobol_quantiles
from reconciler.sweeps.settings import MAX_TRIALS, read_limit, read_log_base, read_sampling
from reconciler.sweeps.spaces import draw_point
from reconciler.sweeps.trials import Trial


def count_trials(sweep: Spec) -> int:
    """Return how many trials a sweep starts, if it is not stopped: those of its limit, of a grid at most all points."""
    limit = min(read_limit(sweep, "max_total_trials", MAX_TRIALS), MAX_TRIALS)
    is_grid = read_sampling(sweep)[0] == "grid"
    return min(limit, grid_size(sweep["search_space"])) if is_grid else limit


def next_trials(sweep: Spec, trials: Sequence[Trial], token: str, at_most: int | None = None) -> list[Trial]:
    """Return the trials to start now, with their numbers and points, given all that were started so far.

    A point depends on nothing but the fields of the sweep, its number, the token of the run and, in bayesian sampling,
    on the trials before it.
    """
    total = count_trials(sweep)
    free = read_limit(sweep, "max_concurrent_trials", total) - sum(trial.status.is_active for trial in trials)
    free = free if at_most is None else min(free, at_most)
    started: list[Trial] = []
    for index in range(len(trials), min(total, len(trials) + free)):
        point = _choose_point(sweep, [*trials, *started], index, token)
        started.append(Trial(index, point, RunStatus.INTENDED))
    return started


def _choose_point(sweep: Spec, trials: Sequence[Trial], index: int, token: str) -> dict[str, Json]:
    name, fields = read_sampling(sweep)
    space = sweep["search_space"]
    if name == "bayesian":
        return bayesian_point(sweep, trials, index, token)
    if name == "grid":
        return grid_point(space, index)
    seed = token if fields.get("seed") is None else str(fields["seed"])
    quantiles = (sobol_quantiles if name == "sobol" else random_quantiles)(space, index, seed)
    return draw_point(space, quantiles, read_log_base(fields))
