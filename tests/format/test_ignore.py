"""Lines as in a .gitignore mean what pathspec says they do, and a hostile one takes no longer than another."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from pathspec import GitIgnoreSpec

from reconciler.format.ignore import parse_ignore_patterns

PIECES = some.sampled_from(["a", "b", "*", "**", "?", "/", "/**/", "[ab]", "[!a]", "[b-]", "\\*", ".", "x.y", "("])
LINES = some.lists(some.lists(PIECES, min_size=1, max_size=9).map("".join) | some.just("!a*b"), max_size=3)
PATHS = some.lists(some.text("ab*x-y(", min_size=1, max_size=6), min_size=1, max_size=5).map("/".join)


@given(LINES, PATHS)
@example(["*a*b*"], "xaxxbx/y")
@example(["a/**/b*/**/c"], "a/b/bb/c/d")
@example(["**/a*/**/b/**"], "x/a/aa/b/c")
def test_a_line_means_what_it_always_meant(lines, path):
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
def test_many_wildcards_take_no_time(line, path):
    began = time.process_time()
    parse_ignore_patterns([line, f"!{line}"]).match_file(path)
    assert time.process_time() - began < 1


def test_what_is_no_pattern_is_passed_over():
    assert not parse_ignore_patterns(["a\\", "[b-a]", "# a", "", "/"]).match_file("a")
