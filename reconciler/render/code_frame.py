"""Render a line of a file with a caret under a column, for a terminal.

Files are untrusted input: unsafe characters are shown as signs, and a very long line is cut around the caret. Tabs,
signs, wide characters and combining marks count with their display width, so that the caret is aligned.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from reconciler.diagnostics import Span
from reconciler.render.sanitize import sanitize_line
from reconciler.secrets.source_lines import mask_source_line

_MAX_WIDTH = 100
_MAX_WIDTH_BEFORE_CARET = 60  # the part of _MAX_WIDTH before the caret
_MAX_CHARS = 400  # characters on each side of the caret that are measured; some have no width
_TAB_WIDTH = 4
_ELLIPSIS = "…"


def code_frame_lines(span: Span, lines: Sequence[str], secrets: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the line of a span and the line with the caret; yield nothing if the file has no such line.

    The line is shown without ``secrets``, and without the values behind names of secrets.
    """
    if not 0 < span.line <= len(lines):
        return
    line = _mask_line(lines[span.line - 1].rstrip("\r\n"), secrets)
    caret = min(span.column - 1, len(line))
    start = max(0, caret - _MAX_CHARS)  # what is further away is not measured: a line may be very long
    cells = _display_cells(line[start : caret + _MAX_CHARS])
    caret_index = caret - start
    first, last = _visible_range(cells, caret_index)
    prefix = _ELLIPSIS if start + first else ""
    suffix = _ELLIPSIS if start + last < len(line) else ""
    number = str(span.line)
    yield f"  {number} | {prefix}{''.join(text for text, _ in cells[first:last])}{suffix}".rstrip()
    indent = len(prefix) + sum(width for _, width in cells[first:caret_index])
    yield f"  {' ' * len(number)} | {' ' * indent}^"


@lru_cache(maxsize=4)  # many diagnostics may be in one very long line, and secrets are looked for in all of it
def _mask_line(line: str, secrets: frozenset[str]) -> str:
    return mask_source_line(line, secrets)


def _display_cells(line: str) -> list[tuple[str, int]]:
    """Return the displayed text of each character and its width in columns."""
    cells: list[tuple[str, int]] = []
    column = 0
    for character in line:
        if character == "\t":
            width = _TAB_WIDTH - column % _TAB_WIDTH
            cells.append((" " * width, width))
        else:
            text, width = _display_cell(character)
            cells.append((text, width))
        column += width
    return cells


@lru_cache(maxsize=512)
def _display_cell(character: str) -> tuple[str, int]:
    text = sanitize_line(character)
    return text, _char_width(text) if len(text) == 1 else len(text)


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
