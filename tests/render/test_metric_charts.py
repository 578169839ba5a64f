"""Charts of metrics: what they show, and that nothing that was logged breaks them."""

from __future__ import annotations

import math

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.render.metric_charts import Curve, draw_chart

pytestmark = pytest.mark.fast

WIDTH = 80
FALLING = Curve("train-a", [(step, math.exp(-step / 30)) for step in range(100)])
RISING = Curve("train-b", [(step, 1 - math.exp(-step / 20)) for step in range(0, 100, 7)])
BROKEN = Curve(
    "train-c", [(step, math.nan if 30 < step < 50 else math.inf if step == 70 else 0.5) for step in range(0, 90, 2)]
)
CHARTS = {
    "several-runs": ("loss", [FALLING, RISING, BROKEN]),
    "one-value": ("final", [Curve("train-a", [(7, 0.25)]), Curve("train-b", [(7, 0.5)])]),
    "no-steps": ("loss", [Curve("train-a", [(0, value) for value in (3, 1, 2, -1, 0)])]),
    "no-finite-value": ("loss", [Curve("train-a", [(0, math.nan), (1, -math.inf)])]),
    "few-values": ("loss", [Curve("train-a", [(0, 1), (1000, 2), (5000, -3)]), Curve("train-b", [(0, 0), (4000, 0)])]),
}
NUMBERS = st.floats() | st.sampled_from([0.0, 5e-324, 1.7e308, -1.7e308, 1.0, 1.0000000000000002])
CURVES = st.lists(
    st.builds(
        Curve,
        st.just("train-a"),
        st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 9), NUMBERS), min_size=1).map(sorted),
    ),
    min_size=1,
    max_size=4,
)


def drawn(metric: str, curves: list[Curve], width: int = WIDTH, *, braille: bool = True) -> str:
    return click.unstyle(draw_chart(metric, curves, width, braille=braille))


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_shows_the_runs_over_one_another_with_a_mark_for_each(name, golden):
    golden(f"render/metric-charts/{name}.txt", drawn(*CHARTS[name]) + "\n")


def test_a_chart_without_braille_is_ascii(golden):
    text = drawn("loss", [FALLING, RISING], braille=False)
    assert text.isascii()
    golden("render/metric-charts/ascii.txt", text + "\n")


@settings(max_examples=30)
@given(CURVES, st.integers(40, 200))
def test_whatever_was_logged_is_drawn_within_the_width(curves, width):
    title, *lines = drawn("m", curves, width).splitlines()
    assert title == "m"
    assert max(map(len, lines[: -len(curves)])) <= width
    assert len(lines) in {len(curves) + 1, len(curves) + 15}


@pytest.mark.slow
def test_a_peak_among_a_hundred_thousand_values_is_seen():
    peak = Curve("train-a", [(step, 9.0 if step == 77_777 else math.sin(step)) for step in range(100_000)])
    number, _, curve = drawn("loss", [peak]).splitlines()[1].partition(" |")
    assert (number.strip(), len(curve.strip())) == ("9", 1)


def test_the_name_of_a_metric_cannot_control_the_terminal():
    assert "\x1b" not in drawn("loss\x1b[2J\n", [Curve("run\x1b[2J", [(0, 1.0)])])
