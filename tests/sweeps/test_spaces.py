"""The distributions of search spaces, and the points that grid, random and Sobol sampling choose."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.sweeps.grid import grid_point, grid_size
from reconciler.sweeps.random_sampling import random_quantiles, sobol_quantiles
from reconciler.sweeps.settings import read_log_base
from reconciler.sweeps.spaces import distribution_names, draw_point, number_at

pytestmark = pytest.mark.fast

QUANTILES = st.floats(0, 1, exclude_max=True)
BOUNDS = st.tuples(st.floats(-50, 50), st.floats(-50, 50)).map(sorted)
STEPS = st.sampled_from([1, 2, 0.5, 0.25, 10])


@given(BOUNDS, QUANTILES)
def test_a_uniform_number_is_between_its_bounds_and_a_loguniform_one_between_their_exponentials(bounds, quantile):
    low, high = bounds
    between = {"min_value": low, "max_value": high}
    assert low <= number_at({"type": "uniform", **between}, quantile) <= high + 1e-9
    number = number_at({"type": "LogUniform", **between}, quantile)
    assert math.exp(low) * (1 - 1e-9) <= number <= math.exp(high) * (1 + 1e-9)


@given(st.sampled_from(["uniform", "loguniform", "normal", "lognormal"]), st.floats(-5, 5), QUANTILES, STEPS)
def test_a_q_distribution_is_the_other_one_rounded_to_multiples_of_q(kind, low, quantile, q):
    fields = {"mu": low, "sigma": 1} if "normal" in kind else {"min_value": low, "max_value": low + 3}
    exact = number_at({"type": kind, **fields}, quantile)
    assert number_at({"type": f"q{kind}", **fields, "q": q}, quantile) == round(exact / q) * q


@given(st.integers(1, 1000), QUANTILES)
def test_randint_never_is_its_upper_bound(upper, quantile):
    number = number_at({"type": "randint", "upper": upper}, quantile)
    assert isinstance(number, int)
    assert 0 <= number < upper


def test_a_whole_q_makes_whole_numbers_as_scripts_expect_them():
    number = number_at({"type": "quniform", "min_value": "1", "max_value": 64, "q": "1"}, 0.5)
    assert (number, type(number)) == (32, int)


def test_the_base_of_the_sampling_is_that_of_logarithmic_distributions_alone():
    fields = {"min_value": -4, "max_value": 0}
    assert number_at({"type": "loguniform", **fields}, 0.5, math.log(10)) == pytest.approx(0.01)
    assert number_at({"type": "uniform", **fields}, 0.5, math.log(10)) == -2
    assert [read_log_base(sampling) for sampling in ({}, {"logbase": "e"}, {"logbase": "10"})] == [1, 1, math.log(10)]


def test_a_normal_number_is_its_mean_in_the_middle_and_finite_at_the_ends():
    normal = {"type": "normal", "mu": 3, "sigma": 2}
    assert number_at(normal, 0.5) == 3
    assert -30 < number_at(normal, 0) < 3 < number_at(normal, 1 - 2**-53) < 30
    assert math.isfinite(number_at({"type": "qlognormal", "mu": 1e9, "sigma": 1, "q": 1e-9}, 0.9))


OPTIMIZERS = {
    "type": "choice",
    "values": [
        {"name": "adam"},
        {"name": "sgd", "momentum": {"type": "uniform", "min_value": 0.1, "max_value": 0.9}},
    ],
}


def test_the_value_of_a_choice_is_any_json_and_an_object_draws_the_distributions_in_it():
    values = [16, 0.5, "text", {"layers": 2, "note": {"type": "anything"}}]
    space = {"x": {"type": "choice", "values": values}}
    assert [draw_point(space, lambda _, part=part: part / 4)["x"] for part in range(4)] == values
    quantiles = {"optimizer": 0.5, "optimizer.1.momentum": 0.5}
    assert list(distribution_names({"optimizer": OPTIMIZERS})) == list(quantiles)
    assert draw_point({"optimizer": OPTIMIZERS}, quantiles.__getitem__) == {
        "optimizer": {"name": "sgd", "momentum": pytest.approx(0.5)}
    }


def test_a_grid_has_every_combination_once_the_last_parameter_varying_first():
    inner = {"type": "choice", "values": [{"rate": {"type": "choice", "values": [1, 2]}}, "none"]}
    space = {"a": {"type": "choice", "values": ["x", "y"]}, "b": inner}
    assert grid_size(space) == 6
    assert [grid_point(space, index) for index in range(6)] == [
        {"a": letter, "b": b} for letter in "xy" for b in ({"rate": 1}, {"rate": 2}, "none")
    ]


def random_point(space, index, seed):
    return draw_point(space, random_quantiles(space, index, seed))


def sobol_point(space, index, seed):
    return draw_point(space, sobol_quantiles(space, index, seed))


UNIFORM = {"type": "uniform", "min_value": 0, "max_value": 1}


@pytest.mark.parametrize("point", [random_point, pytest.param(sobol_point, marks=pytest.mark.slow)])
def test_a_point_follows_from_seed_and_number_and_differs_by_both(point):
    space = {"x": UNIFORM, "o": OPTIMIZERS}
    points = [point(space, index, "token") for index in range(20)]
    assert points == [point(space, index, "token") for index in range(20)]
    assert len({json.dumps(one) for one in points}) == 20
    assert point(space, 3, "other") != points[3]


def test_random_points_stay_the_same_from_release_to_release():
    assert random_point({"x": UNIFORM}, 7, "token") == {"x": 0.42776336614035493}


def test_another_parameter_does_not_change_the_random_values_of_the_first():
    one, two = (random_point(space, 0, "t") for space in ({"x": UNIFORM}, {"y": UNIFORM, "x": UNIFORM}))
    assert one["x"] == two["x"]


@pytest.mark.slow
def test_sobol_points_fill_every_eighth_of_a_space_evenly():
    points = [sobol_point({"x": UNIFORM}, index, "3")["x"] for index in range(8)]
    assert sorted(int(point * 8) for point in points) == list(range(8))
