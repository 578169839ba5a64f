"""Patterns of .gitignore files, matched as Git matches them, in time that no pattern can make long.

pathspec translates wildcards to regular expressions that backtrack: ``*a*a*a*b`` takes hours on a long name. A wildcard
with another one after it needs only its shortest match, so these patterns are made atomic. pathspec is loaded by name,
with the first pattern: most commands that read the live state need none.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# What pathspec generates for ** at the beginning and between folders, for *, and for literal text between two *.
_LEADING_GLOBSTAR = "^(?:.+/)?"
_INNER_GLOBSTAR = "(?:/.+)?"
_STAR = r"\[\^/\]\*"
_LITERAL_RUN = r"(?:\\.|\[\^/\](?![*+])|\[\^?\]?[^\]/]*\]|[^\\\[/(])*"
_NON_FINAL_STAR = re.compile(rf"{_STAR}({_LITERAL_RUN})(?={_STAR})", re.DOTALL)
_FOLDER_GROUP = "ps_d"  # pathspec's group for a folder that matches, with everything in it


class IgnorePatterns(NamedTuple):
    """Patterns in order, each with True to ignore what it matches, False to include it again."""

    patterns: tuple[tuple[re.Pattern[str], bool], ...]

    def match_file(self, path: str) -> bool:
        """Return True if a path is ignored: the last match counts, one of the file itself before one of its folder."""
        ignored, matched_itself = False, False
        for pattern, ignores in self.patterns:
            if match := pattern.search(path):
                matches_folder = bool(match.groupdict().get(_FOLDER_GROUP))
                if (ignores and matches_folder) or not matches_folder or not matched_itself:
                    ignored, matched_itself = ignores, not matches_folder
        return ignored


def parse_ignore_patterns(lines: Iterable[str]) -> IgnorePatterns:
    """Return the patterns of lines; like Git, skip invalid ones."""
    return IgnorePatterns(tuple(pattern for line in lines for pattern in _compile_line(line)))


def _compile_line(line: str) -> Iterator[tuple[re.Pattern[str], bool]]:
    spec = importlib.import_module("pathspec").GitIgnoreSpec
    try:
        for pattern in spec.from_lines([line]).patterns:
            if pattern.include is not None and pattern.regex is not None:
                yield re.compile(_prevent_backtracking(pattern.regex.pattern)), pattern.include
    except (ValueError, re.error):
        return


def _prevent_backtracking(regex: str) -> str:
    """Return an expression that matches the same as one of pathspec, without backtracking into its wildcards."""
    *earlier, last = _NON_FINAL_STAR.sub(r"(?>[^/]*?\1)", regex).split(_INNER_GLOBSTAR)
    parts = [f"(?>{_lazy_globstar(part, first=not index)}(?=/))" for index, part in enumerate(earlier)]
    return "".join([*parts, _lazy_globstar(last, first=not parts)])


def _lazy_globstar(part: str, *, first: bool) -> str:
    """Return a part of an expression with the ** before it matching as few folders as possible."""
    if not first:
        return f"(?:/[^/]+)*?{part}"
    return f"^(?:[^/]+/)*?{part.removeprefix(_LEADING_GLOBSTAR)}" if part.startswith(_LEADING_GLOBSTAR) else part
