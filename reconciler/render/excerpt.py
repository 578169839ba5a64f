"""A line of a file with a caret under one place in it, as a terminal shows it.

Lines come from strangers' files: what a terminal would obey or reorder is shown as a sign of its own, and a very long
line is cut around the place. The caret stands under the place whatever comes before it: tabs, wide letters, marks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from reconciler.diagnostics import Span

_WIDTH = 100
_BEFORE = 60  # of those, at most this many before the place
_TAB = 4
_CUT = "…"
# Controls, which a terminal obeys, and the marks that turn the direction of text, which make it look like another.
# Lone surrogates, too: Git and the disk hand on what is no text in this way, and it cannot be written.
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile(r"[\t\n]")
_SIGN = "\ufffd"


def visible(text: str) -> str:
    """Put a sign in the place of each character that a terminal would obey; tabs and line breaks stay."""
    return _HIDDEN.sub(_SIGN, text)


def inline(text: str) -> str:
    """Make text visible as part of a line: it can neither end the line nor move what follows."""
    return _BREAKS.sub(_SIGN, visible(text))


def excerpt(span: Span, lines: Sequence[str]) -> Iterator[str]:
    """Yield the line of a place and the caret under it; nothing where the file has no such line."""
    if not 0 < span.line <= len(lines):
        return
    cells = _cells(visible(lines[span.line - 1].rstrip("\r\n")))
    at = min(span.column - 1, len(cells))
    first, last = _window(cells, at)
    head = _CUT if first else ""
    tail = _CUT if last < len(cells) else ""
    number = str(span.line)
    yield f"  {number} | {head}{''.join(text for text, _ in cells[first:last])}{tail}".rstrip()
    indent = len(head) + sum(width for _, width in cells[first:at])
    yield f"  {' ' * len(number)} | {' ' * indent}^"


def _cells(line: str) -> list[tuple[str, int]]:
    """Return what is shown for each character, and how many columns wide that is."""
    cells: list[tuple[str, int]] = []
    column = 0
    for letter in line:
        width = _TAB - column % _TAB if letter == "\t" else _columns(letter)
        cells.append((" " * width if letter == "\t" else letter, width))
        column += width
    return cells


def _columns(letter: str) -> int:
    if unicodedata.category(letter) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1


def _window(cells: Sequence[tuple[str, int]], at: int) -> tuple[int, int]:
    """Choose the characters that are shown, around the one at ``at``: all of them where there is room."""
    if sum(width for _, width in cells) <= _WIDTH:
        return 0, len(cells)
    first, room = at, _BEFORE
    while first and room >= cells[first - 1][1]:
        first -= 1
        room -= cells[first][1]
    last, room = first, _WIDTH
    while last < len(cells) and room >= cells[last][1]:
        room -= cells[last][1]
        last += 1
    return first, last
