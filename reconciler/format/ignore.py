"""Lines as in a .gitignore, read as Git reads them; no line, however it is written, takes long to match a path.

A wildcard becomes a regular expression that tries again, and many of them try again and again: ``*a*a*a*b`` takes
hours on a long name. Of a wildcard with another one after it the nearest end will do, so what it has found is not
tried again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

# What pathspec makes of ** at the beginning and between folders, of *, and of what stands between two * of a name.
_LEADING_GLOBSTAR = "^(?:.+/)?"
_INNER_GLOBSTAR = "(?:/.+)?"
_STAR = r"\[\^/\]\*"
_LITERAL_RUN = r"(?:\\.|\[\^/\](?![*+])|\[\^?\]?[^\]/]*\]|[^\\\[/(])*"
_NON_FINAL_STAR = re.compile(rf"{_STAR}({_LITERAL_RUN})(?={_STAR})", re.DOTALL)
_FOLDER_GROUP = "ps_d"  # the group that pathspec has for a folder that matches, and with it what is in it


@dataclass(frozen=True, slots=True)
class IgnorePatterns:
    """Patterns in order, each with whether it takes a file in or lets it out again."""

    patterns: tuple[tuple[re.Pattern[str], bool], ...]

    def match_file(self, path: str) -> bool:
        """Tell whether a path falls under the lines: the last that matches counts, a file's own before its folder's."""
        under, own = False, False
        for pattern, includes in self.patterns:
            if found := pattern.search(path):
                folder = bool(found.groupdict().get(_FOLDER_GROUP))
                if (includes and folder) or not folder or not own:
                    under, own = includes, not folder
        return under


def parse_ignore_patterns(lines: Iterable[str]) -> IgnorePatterns:
    """Read lines; like Git, pass over what is no pattern."""
    return IgnorePatterns(tuple(found for line in lines for found in _compile_line(line)))


def _compile_line(line: str) -> Iterator[tuple[re.Pattern[str], bool]]:
    try:
        for pattern in GitIgnoreSpec.from_lines([line]).patterns:
            if pattern.include is not None and pattern.regex is not None:
                yield re.compile(_prevent_backtracking(pattern.regex.pattern)), pattern.include
    except (ValueError, re.error):
        return


def _prevent_backtracking(regex: str) -> str:
    """Rewrite an expression of pathspec so that it matches the same, and none of its wildcards tries in vain again."""
    *earlier, last = _NON_FINAL_STAR.sub(r"(?>[^/]*?\1)", regex).split(_INNER_GLOBSTAR)
    parts = [f"(?>{_lazy_globstar(each, first=not at)}(?=/))" for at, each in enumerate(earlier)]
    return "".join([*parts, _lazy_globstar(last, first=not parts)])


def _lazy_globstar(part: str, *, first: bool) -> str:
    """Let what ** stands for be as few folders as will do."""
    if not first:
        return f"(?:/[^/]+)*?{part}"
    return f"^(?:[^/]+/)*?{part.removeprefix(_LEADING_GLOBSTAR)}" if part.startswith(_LEADING_GLOBSTAR) else part
