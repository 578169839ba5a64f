"""Places inside a text: where in a file something stands that has no pointer of its own."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache

from reconciler.diagnostics import Span
from reconciler.format.document import Document

_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # what YAML takes for the end of a line


@lru_cache(maxsize=4)
def _line_starts(text: str) -> tuple[int, ...]:
    """Return where the lines of a text begin; kept, because one file may have many things to point at."""
    return (0, *(each.end() for each in _LINE_BREAK.finditer(text)))


def span_at(document: Document, offset: int) -> Span:
    """Return line and column of an offset in the text of a document."""
    starts = _line_starts(document.text)
    line = bisect_right(starts, offset)
    return Span(document.path, line, offset - starts[line - 1] + 1)


def offset_of(document: Document, span: Span) -> int:
    """Return the offset of a place in the text of a document."""
    starts = _line_starts(document.text)
    return starts[min(span.line, len(starts)) - 1] + span.column - 1
