"""A source line is measured around the caret only, however long it is."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from reconciler.diagnostics import Span
from reconciler.render import code_frame

pytestmark = pytest.mark.fast


def count_calls(function: Callable[[], object]) -> int:
    """Return how many functions of Python and of C a function calls."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("character", ["a", "\t", "漢", "\u0301", "\x1b"])
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_the_cost_of_an_excerpt_does_not_follow_the_length_of_the_line(character, place):
    def calls(length: int) -> int:
        span = Span("a.yml", 1, int(length * place) + 1)
        return count_calls(lambda: list(code_frame.code_frame_lines(span, [character * length])))

    calls(1_000)  # compiles the patterns
    assert calls(120_000) < calls(60_000) + 20 < 10_000


@pytest.mark.parametrize("character", ["a", "漢", "\u0301"])
def test_an_excerpt_of_a_long_line_shows_what_is_around_the_caret(character):
    line = character * 30_000 + "x" + character * 30_000
    excerpt, caret = code_frame.code_frame_lines(Span("a.yml", 1, 30_001), [line])
    assert excerpt.startswith("  1 | …")
    assert excerpt.endswith("…")
    assert len(excerpt) < 1000
    assert "x" in excerpt
    assert caret.endswith("^")
