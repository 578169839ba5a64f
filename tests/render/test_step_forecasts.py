"""The steps of a plan as a person reads them: changed ones by name, many of one sort as their number."""

from __future__ import annotations

import pytest

from reconciler.model import StepForecast, StepVerdict
from reconciler.render.step_forecasts import forecast_lines, forecasts_to_json

pytestmark = pytest.mark.fast


def test_few_steps_are_listed_with_aligned_columns():
    steps = [
        StepForecast("prepare", StepVerdict.SAME, "pipe-1/prepare"),
        StepForecast("train", StepVerdict.CHANGED, "inputs.lr 0.1 -> 0.2"),
        StepForecast("evaluate", StepVerdict.KNOWN_LATER, "train"),
        StepForecast("new", StepVerdict.CHANGED, "no earlier run"),
    ]
    assert list(forecast_lines(forecasts_to_json(steps))) == [
        "prepare   same as in pipe-1/prepare",
        "train     runs because inputs.lr 0.1 -> 0.2",
        "evaluate  known after train",
        "new       runs, no earlier run",
    ]


def test_many_steps_of_one_sort_are_counted_and_changed_ones_are_named():
    steps = [
        *(StepForecast(f"a{index}", StepVerdict.SAME, f"pipe-1/a{index}") for index in range(20)),
        StepForecast("train", StepVerdict.CHANGED, "code changed (train.py)"),
        *(StepForecast(f"b{index}", StepVerdict.KNOWN_LATER, f"b{index - 1}") for index in range(13)),
    ]
    assert list(forecast_lines(forecasts_to_json(steps))) == [
        "20 steps  same as in pipe-1: a0, a1, a2 and 17 more",
        "train     runs because code changed (train.py)",
        "13 steps  known after other steps: b0, b1, b2 and 10 more",
    ]
