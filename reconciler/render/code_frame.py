"""Render a line of a file with a caret under a column, for a terminal.

Files are untrusted input: unsafe characters are shown as signs, and a very long line is cut around the caret. Tabs,
signs, wide characters and combining marks count with their display width, so that the caret is aligned.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from reconciler.diagnostics import Span
from reconciler.render.sanitize import sanitize_line
from reconciler.secrets.source_lines import mask_source_line

_MAX_WIDTH = 100
_MAX_WIDTH_BEFORE_CARET = 60  # the part of _MAX_WIDTH before the caret
_TAB_WIDTH = 4
_ELLIPSIS = "…"


def code_frame_lines(span: Span, lines: Sequence[str], secrets: AbstractSet[str] = frozenset()) -> Iterator[str]:
    """Yield the line of a span and the line with the caret; yield nothing if the file has no such line.

    The line is shown without ``secrets``, and without the values behind names of secrets.
    """
    if not 0 < span.line <= len(lines):
        return
    cells = _display_cells(mask_source_line(lines[span.line - 1].rstrip("\r\n"), secrets))
    caret_index = min(span.column - 1, len(cells))
    first, last = _visible_range(cells, caret_index)
    prefix = _ELLIPSIS if first else ""
    suffix = _ELLIPSIS if last < len(cells) else ""
    number = str(span.line)
    yield f"  {number} | {prefix}{''.join(text for text, _ in cells[first:last])}{suffix}".rstrip()
    indent = len(prefix) + sum(width for _, width in cells[first:caret_index])
    yield f"  {' ' * len(number)} | {' ' * indent}^"


def _display_cells(line: str) -> list[tuple[str, int]]:
    """Return the displayed text of each character and its width in columns."""
    cells: list[tuple[str, int]] = []
    column = 0
    for character in line:
        text = " " * (_TAB_WIDTH - column % _TAB_WIDTH) if character == "\t" else sanitize_line(character)
        width = _char_width(text) if len(text) == 1 else len(text)
        cells.append((text, width))
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
