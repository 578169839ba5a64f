"""The policies of early termination, replayed on tables of metrics: one row a trial, one column an interval."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.runs import RunStatus
from reconciler.sweeps.termination import trials_to_stop
from reconciler.sweeps.trials import Trial

pytestmark = pytest.mark.fast


def stopped(policy, *table, goal="maximize", ended=()):
    """Return what a policy stops: the numbers of the trials with the reasons."""
    spec = {"objective": {"goal": goal, "primary_metric": "accuracy"}, "early_termination": policy}
    states = [RunStatus.COMPLETED if index in ended else RunStatus.RUNNING for index in range(len(table))]
    return trials_to_stop(
        spec,
        [Trial(index, {}, state, tuple(row)) for index, (row, state) in enumerate(zip(table, states, strict=True))],
    )


def test_no_policy_stops_nothing():
    assert stopped(None, [0.1], [0.9]) == {}


# Azure ML's example: the best of all is 0.8, the factor 0.2, and trials below 0.8 / 1.2 = 0.66 are stopped.
@pytest.mark.parametrize(("value", "is_stopped"), [(0.66, True), (0.67, False)])
def test_bandit_stops_what_is_outside_of_the_slack_factor(value, is_stopped):
    assert (1 in stopped({"type": "bandit", "slack_factor": 0.2}, [0.8], [value])) is is_stopped


def test_bandit_says_the_numbers():
    assert stopped({"type": "bandit", "slack_factor": 0.2}, [0.8], [0.5]) == {
        1: "stopped at interval 1 by bandit: accuracy 0.5 is worse than 0.666667, "
        "the limit for a best of 0.8 and slack_factor 0.2"
    }


@pytest.mark.parametrize(
    ("goal", "policy", "row", "indices"),
    [
        ("minimize", {"slack_factor": 0.5}, [1.0, 1.4, 1.6], [2]),
        ("maximize", {"slack_amount": 0.2}, [0.8, 0.65, 0.55], [2]),
        ("minimize", {"slack_amount": "0.2"}, [1.0, 1.1, 1.3], [2]),
        # With values below zero the factor still widens what is allowed: the best trial is never stopped.
        ("maximize", {"slack_factor": 0.2}, [-1.0, -1.1, -1.3], [2]),
        ("minimize", {"slack_factor": 0.2}, [-1.0, -0.9, -0.7], [2]),
    ],
)
def test_bandit_follows_the_goal_and_the_sign(goal, policy, row, indices):
    assert list(stopped({"type": "Bandit", **policy}, *([value] for value in row), goal=goal)) == indices


def test_bandit_compares_the_best_up_to_the_interval_of_each_trial():
    policy = {"type": "bandit", "slack_amount": 0.1}
    # 0 was no better than 0.5 when it had logged twice; 1 was 0.7 before it fell.
    assert stopped(policy, [0.5, 0.5, 0.9], [0.7, 0.3]) == {}
    assert list(stopped(policy, [0.5, 0.5, 0.9], [0.7, 0.3, 0.3])) == [1]


@pytest.mark.parametrize(
    ("interval", "delay", "position"),
    [(1, 0, 1), (2, 0, 2), (3, 0, 3), (1, 3, 3), (2, 3, 4), (None, None, 1), ("2", "4", 4)],
)
def test_a_policy_is_applied_at_multiples_of_its_interval_from_the_delay_on(interval, delay, position):
    policy = {"type": "bandit", "slack_amount": 0, "evaluation_interval": interval, "delay_evaluation": delay}
    applied = [len_ for len_ in range(1, 6) if stopped(policy, [0.9] * 9, [0.1] * len_)]
    assert applied[0] == position
    (reason,) = stopped(policy, [0.9] * 9, [0.1] * position).values()
    assert reason.startswith(f"stopped at interval {position} ")


def test_median_stopping_compares_the_best_with_the_median_of_the_averages():
    policy = {"type": "median_stopping"}
    table = [[0.6, 0.8], [0.5, 0.7], [0.4, 0.55]]  # averages 0.7, 0.6, 0.475
    assert stopped(policy, *table) == {
        2: "stopped at interval 2 by median_stopping: accuracy 0.55 is worse than 0.6, the median of the averages of "
        "3 trials"
    }
    assert stopped(policy, *table[:2], [0.4, 0.61]) == {}
    assert list(stopped({"type": "MedianStopping"}, [0.9, 0.8], *table[1:], goal="minimize")) == [0]


def test_truncation_selection_stops_the_lowest_percent_of_all_trials_at_that_interval():
    policy = {"type": "truncation_selection", "truncation_percentage": 20}
    table = [[value / 10] for value in range(10)]
    assert stopped(policy, *table) == {
        index: f"stopped at interval 1 by truncation_selection: accuracy {index / 10:.6g} is worse than 0.2, "
        "which puts it in the lowest 20 % of 10 trials"
        for index in (0, 1)
    }
    assert list(stopped(policy, *table, ended=(0, 1))) == []  # they are the lowest, and have ended
    assert list(stopped(policy, *table, goal="minimize")) == [8, 9]
    assert stopped(policy, *table[:4]) == {}


def test_truncation_selection_compares_a_young_trial_with_the_first_values_of_the_older_ones():
    policy = {"type": "truncation_selection", "truncation_percentage": 50}
    assert stopped(policy, [0.2, 0.9], [0.3]) == {}  # 0.9 came later, and 0 is the only one at interval 2
    assert list(stopped(policy, [0.4, 0.9], [0.3])) == [1]


def test_equal_trials_are_not_truncated():
    assert stopped({"type": "truncationselection", "truncation_percentage": 50}, [0.5], [0.5], [0.5]) == {}


def test_what_is_no_finite_number_is_worse_than_any():
    reasons = stopped({"type": "bandit", "slack_amount": 1}, [0.5], [math.nan], [math.inf])
    assert list(reasons) == [1, 2]
    assert "accuracy (no finite number) is worse than -0.5" in reasons[1]
    assert stopped({"type": "bandit", "slack_factor": 1}, [math.nan], [math.nan]) == {}


POLICIES = [
    {"type": "bandit", "slack_factor": 0.1},
    {"type": "bandit", "slack_amount": 0},
    {"type": "median_stopping"},
    {"type": "truncation_selection", "truncation_percentage": 99},
]
TABLES = st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6), min_size=1, max_size=6)


@given(st.sampled_from(POLICIES), TABLES, st.sampled_from(["minimize", "maximize"]))
def test_the_best_trial_at_its_interval_is_never_stopped(policy, table, goal):
    choose = max if goal == "maximize" else min
    length = max(map(len, table))
    longest = [index for index, row in enumerate(table) if len(row) == length]
    best = choose(longest, key=lambda index: choose(table[index]))
    assert best not in stopped(policy, *table, goal=goal)
