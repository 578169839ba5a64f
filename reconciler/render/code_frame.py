"""A line of a file with a caret under one place in it, as a terminal shows it.

Lines come from strangers' files: what a terminal would obey or reorder is shown as a sign of its own, and a very long
line is cut around the place. The caret stands under the place whatever comes before it: tabs, wide letters, marks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from reconciler.diagnostics import Span

_MAX_WIDTH = 100
_MAX_WIDTH_BEFORE_CARET = 60  # of those, at most this many before the place
_TAB_WIDTH = 4
_ELLIPSIS = "…"
# Controls, which a terminal obeys, and the marks that turn the direction of text, which make it look like another.
# Lone surrogates, too: Git and the disk hand on what is no text in this way, and it cannot be written.
_UNSAFE_CHARS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_TABS_AND_NEWLINES = re.compile(r"[\t\n]")
_REPLACEMENT_CHAR = "\ufffd"


def sanitize_text(text: str) -> str:
    """Put a sign in the place of each character that a terminal would obey; tabs and line breaks stay."""
    return _UNSAFE_CHARS.sub(_REPLACEMENT_CHAR, text)


def sanitize_line(text: str) -> str:
    """Make text visible as part of a line: it can neither end the line nor move what follows."""
    return _TABS_AND_NEWLINES.sub(_REPLACEMENT_CHAR, sanitize_text(text))


def code_frame_lines(span: Span, lines: Sequence[str]) -> Iterator[str]:
    """Yield the line of a place and the caret under it; nothing where the file has no such line."""
    if not 0 < span.line <= len(lines):
        return
    cells = _display_cells(sanitize_text(lines[span.line - 1].rstrip("\r\n")))
    at = min(span.column - 1, len(cells))
    first, last = _visible_range(cells, at)
    head = _ELLIPSIS if first else ""
    tail = _ELLIPSIS if last < len(cells) else ""
    number = str(span.line)
    yield f"  {number} | {head}{''.join(text for text, _ in cells[first:last])}{tail}".rstrip()
    indent = len(head) + sum(width for _, width in cells[first:at])
    yield f"  {' ' * len(number)} | {' ' * indent}^"


def _display_cells(line: str) -> list[tuple[str, int]]:
    """Return what is shown for each character, and how many columns wide that is."""
    cells: list[tuple[str, int]] = []
    column = 0
    for letter in line:
        width = _TAB_WIDTH - column % _TAB_WIDTH if letter == "\t" else _char_width(letter)
        cells.append((" " * width if letter == "\t" else letter, width))
        column += width
    return cells


def _char_width(letter: str) -> int:
    if unicodedata.category(letter) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1


def _visible_range(cells: Sequence[tuple[str, int]], at: int) -> tuple[int, int]:
    """Choose the characters that are shown, around the one at ``at``: all of them where there is room."""
    if sum(width for _, width in cells) <= _MAX_WIDTH:
        return 0, len(cells)
    first, room = at, _MAX_WIDTH_BEFORE_CARET
    while first and room >= cells[first - 1][1]:
        first -= 1
        room -= cells[first][1]
    last, room = first, _MAX_WIDTH
    while last < len(cells) and room >= cells[last][1]:
        room -= cells[last][1]
        last += 1
    return first, last
