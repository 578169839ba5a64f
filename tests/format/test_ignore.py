"""Ignore patterns match the same paths as pathspec does, and no pattern takes long to match."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from reconciler.format.ignore import parse_ignore_patterns

PIECES = st.sampled_from(["a", "b", "*", "**", "?", "/", "/**/", "[ab]", "[!a]", "[b-]", "\\*", ".", "x.y", "("])
LINES = st.lists(st.lists(PIECES, min_size=1, max_size=9).map("".join) | st.just("!a*b"), max_size=3)
PATHS = st.lists(st.text("ab*x-y(", min_size=1, max_size=6), min_size=1, max_size=5).map("/".join)


@given(LINES, PATHS)
@example(["*a*b*"], "xaxxbx/y")
@example(["a/**/b*/**/c"], "a/b/bb/c/d")
@example(["**/a*/**/b/**"], "x/a/aa/b/c")
def test_patterns_match_the_same_paths_as_pathspec(lines, path):
    assert parse_ignore_patterns(lines).match_file(path) == GitIgnoreSpec.from_lines(lines).match_file(path)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("****...*b", "." * 200),
        ("*" * 25 + "...*b", "." * 200),
        ("*a" * 25, "a" * 200 + "b"),
        ("**/*a*a*a*a*b", "/".join(["a" * 200] * 20)),
        ("**/a/" * 25 + "b", "a/" * 2000 + "c"),
    ],
)
def test_many_wildcards_are_matched_fast(line, path):
    start = time.process_time()
    parse_ignore_patterns([line, f"!{line}"]).match_file(path)
    assert time.process_time() - start < 1


def test_invalid_patterns_are_skipped():
    assert not parse_ignore_patterns(["a\\", "[b-a]", "# a", "", "/"]).match_file("a")
