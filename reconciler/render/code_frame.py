"""Render a line of a file with a caret under a column, for a terminal.

Files are untrusted input: control and bidirectional characters are replaced, and a very long line is cut around the
caret. Tabs, wide characters and combining marks count with their display width, so that the caret is aligned.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from reconciler.diagnostics import Span

_MAX_WIDTH = 100
_MAX_WIDTH_BEFORE_CARET = 60  # the part of _MAX_WIDTH before the caret
_MAX_CHARS = 400  # characters on each side of the caret that are measured; some have no width
_TAB_WIDTH = 4
_ELLIPSIS = "…"
# Control characters, and the bidirectional ones, which can make text look like other text. Lone surrogates too: Python
# uses them for undecodable bytes in paths from Git and the file system, and they cannot be encoded.
_UNSAFE_CHARS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_TABS_AND_NEWLINES = re.compile(r"[\t\n]")
_REPLACEMENT_CHAR = "\ufffd"


def sanitize_text(text: str) -> str:
    """Replace control and bidirectional characters; keep tabs and line breaks."""
    return _UNSAFE_CHARS.sub(_REPLACEMENT_CHAR, text)


def sanitize_line(text: str) -> str:
    """Replace control and bidirectional characters, tabs and line breaks, so that the text stays on one line."""
    return _TABS_AND_NEWLINES.sub(_REPLACEMENT_CHAR, sanitize_text(text))


def code_frame_lines(span: Span, lines: Sequence[str]) -> Iterator[str]:
    """Yield the line of a span and the line with the caret; yield nothing if the file has no such line."""
    if not 0 < span.line <= len(lines):
        return
    line = lines[span.line - 1].rstrip("\r\n")
    caret = min(span.column - 1, len(line))
    start = max(0, caret - _MAX_CHARS)  # what is further away is not measured: a line may be very long
    cells = _display_cells(sanitize_text(line[start : caret + _MAX_CHARS]))
    caret_index = caret - start
    first, last = _visible_range(cells, caret_index)
    prefix = _ELLIPSIS if start + first else ""
    suffix = _ELLIPSIS if start + last < len(line) else ""
    number = str(span.line)
    yield f"  {number} | {prefix}{''.join(text for text, _ in cells[first:last])}{suffix}".rstrip()
    indent = len(prefix) + sum(width for _, width in cells[first:caret_index])
    yield f"  {' ' * len(number)} | {' ' * indent}^"


def _display_cells(line: str) -> list[tuple[str, int]]:
    """Return the displayed text of each character and its width in columns."""
    cells: list[tuple[str, int]] = []
    column = 0
    for character in line:
        width = _TAB_WIDTH - column % _TAB_WIDTH if character == "\t" else _char_width(character)
        cells.append((" " * width if character == "\t" else character, width))
        column += width
    return cells


def _char_width(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _visible_range(cells: Sequence[tuple[str, int]], caret_index: int) -> tuple[int, int]:
    """Return the range of visible characters around ``caret_index``: the whole line if it fits."""
    if sum(width for _, width in cells) <= _MAX_WIDTH:
        return 0, len(cells)
    first, room = caret_index, _MAX_WIDTH_BEFORE_CARET
    while first and room >= cells[first - 1][1]:
        first -= 1
        room -= cells[first][1]
    last, room = first, _MAX_WIDTH
    while last < len(cells) and room >= cells[last][1]:
        room -= cells[last][1]
        last += 1
    return first, last
