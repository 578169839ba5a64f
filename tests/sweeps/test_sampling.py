"""Which trials a sweep starts next, whatever ended in between, and which is best."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest

from reconciler.model.runs import RunStatus
from reconciler.sweeps.bayesian import bayesian_point
from reconciler.sweeps.objective import best_trial
from reconciler.sweeps.random_sampling import random_quantiles
from reconciler.sweeps.sampling import count_trials, next_trials
from reconciler.sweeps.spaces import draw_point
from reconciler.sweeps.trials import Trial

pytestmark = pytest.mark.fast

UNIFORM = {"type": "uniform", "min_value": 0, "max_value": 1}
SPACE = {
    "rate": UNIFORM,
    "size": {"type": "quniform", "min_value": 8, "max_value": 64, "q": 8},
    "kernel": {"type": "choice", "values": ["rbf", 1, 1.5, {"degree": UNIFORM, "name": "poly"}]},
}


def sweep(sampling="random", total=20, space=SPACE, goal="minimize", **limits):
    return {
        "search_space": space,
        "sampling_algorithm": sampling,
        "objective": {"goal": goal, "primary_metric": "loss"},
        "limits": {"max_total_trials": total, **limits},
    }


def loss(params):
    kernel = params["kernel"]
    inner = kernel["degree"] if isinstance(kernel, dict) else 1
    return (params["rate"] - 0.3) ** 2 + abs(params["size"] - 32) / 64 + inner


def run_all(spec, token):
    """Run a sweep to its end as a driver does; return its trials."""
    trials: list[Trial] = []
    while started := next_trials(spec, trials, token):
        trials += started
        for index, trial in enumerate(trials):
            trials[index] = replace(trial, status=RunStatus.COMPLETED, values=(loss(trial.params),))
    return trials


@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["random", {"type": "Random", "rule": "Sobol", "seed": 4}, "bayesian"])
def test_a_restarted_driver_chooses_the_same_points(sampling):
    spec = sweep(sampling, 18, max_concurrent_trials=4)
    trials = run_all(spec, "t")
    assert len(trials) == 18
    for index in range(len(trials)):  # only this one is not recorded yet; the three before it still run
        recorded = [
            replace(trial, status=RunStatus.RUNNING, values=()) if trial.index > index - 4 else trial
            for trial in trials[:index]
        ]
        again = next_trials(spec, recorded, "t")[0]
        assert again.index == index
        if sampling != "bayesian":
            assert again.params == trials[index].params
        assert next_trials(spec, recorded, "t")[0] == again


@pytest.mark.slow
def test_trials_that_are_started_at_once_get_the_points_that_they_get_one_by_one():
    spec = sweep("bayesian", 40, max_concurrent_trials=5)
    trials = run_all(sweep("bayesian", 20), "t")
    at_once = next_trials(spec, trials, "t")
    one_by_one = list(trials)
    for _ in at_once:
        one_by_one += next_trials({**spec, "limits": {"max_total_trials": len(one_by_one) + 1}}, one_by_one, "t")
    assert len(at_once) == 5
    assert one_by_one[20:] == at_once


@pytest.mark.slow
def test_bayesian_sampling_comes_nearer_than_random():
    best = {
        name: sum(
            min(trial.values[0] for trial in run_all(sweep(name, 40, max_concurrent_trials=1), token))
            for token in "abc"
        )
        for name in ("random", "bayesian")
    }
    assert best["bayesian"] < best["random"]


def test_a_failed_trial_counts_as_started_and_teaches_nothing():
    spec = sweep("bayesian", 3, max_concurrent_trials=1)
    (first,) = next_trials(spec, [], "t")
    failed = replace(first, status=RunStatus.FAILED, values=(math.nan,))
    (second,) = next_trials(spec, [failed], "t")
    assert (second.index, second.params != first.params) == (1, True)


def test_limits_decide_how_many_trials_start():
    two = sweep(total="5", max_concurrent_trials=2)
    assert [trial.index for trial in next_trials(two, [], "t")] == [0, 1]
    trials = [Trial(0, {}, RunStatus.COMPLETED), Trial(1, {}, RunStatus.RUNNING)]
    assert [trial.index for trial in next_trials(two, trials, "t")] == [2]
    ended = [Trial(index, {}, RunStatus.FAILED) for index in range(4)]
    assert [trial.index for trial in next_trials(two, ended, "t")] == [4]
    assert next_trials(two, [*ended, Trial(4, {}, RunStatus.LOST)], "t") == []
    assert len(next_trials(sweep(total=7), [], "t")) == 7
    assert count_trials({**two, "limits": {}}) == 1000


def test_a_grid_ends_with_its_last_point():
    spec = sweep("grid", 1000, {"a": {"type": "choice", "values": [1, 2]}, "b": {"type": "choice", "values": "xyz"}})
    assert len(next_trials(spec, [], "t")) == count_trials(spec) == 6


def test_the_best_trial_completed_with_a_finite_value_and_is_the_first_of_equal_ones():
    rows = [
        (RunStatus.CANCELED, (0.0,)),
        (RunStatus.COMPLETED, (math.nan, -math.inf)),
        (RunStatus.COMPLETED, (0.4, 0.2, 0.3)),
        (RunStatus.COMPLETED, (0.2,)),
        (RunStatus.FAILED, (0.1,)),
        (RunStatus.COMPLETED, ()),
        (RunStatus.COMPLETED, (0.4,)),
    ]
    trials = [Trial(index, {}, status, values) for index, (status, values) in enumerate(rows)]
    assert best_trial(sweep(), trials[::-1]).index == 2
    assert best_trial(sweep(goal="Maximize"), trials).index == 2
    assert best_trial(sweep(), trials[:2]) is None


@pytest.mark.slow
def test_the_replay_of_a_thousand_trials_takes_less_than_eight_imports_of_optuna():
    points = [draw_point(SPACE, random_quantiles(SPACE, index, "t")) for index in range(1000)]
    trials = [Trial(index, point, RunStatus.COMPLETED, (loss(point),)) for index, point in enumerate(points)]
    bayesian_point(sweep("bayesian"), trials[:1], 1, "t")  # imports it, in 0.3 s
    start = time.process_time()
    bayesian_point(sweep("bayesian"), trials, 1000, "t")
    assert time.process_time() - start < 2
