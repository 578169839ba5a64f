"""A parsed YAML file: its JSON value, and the line and column of its keys and values.

``source_map``, which imports PyYAML, is imported by name when a position is looked up: most documents need none.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from reconciler.diagnostics import Diagnostic, Span
from reconciler.model import Json


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as JSON, with the position and the source text of each key and value.

    ``unparsed`` is the text of a file that is not YAML.
    """

    path: str
    data: Json
    text: str = field(default="", repr=False)
    unparsed: str = field(default="", repr=False)

    def key_span(self, pointer: str) -> Span:
        """Return the span of the key at a JSON pointer, or of its nearest existing parent."""
        return self._nearest_span(pointer, "key_position")

    def value_span(self, pointer: str) -> Span:
        """Return the span of the value at a JSON pointer, or of its nearest existing parent."""
        return self._nearest_span(pointer, "value_position")

    def spans_of(self, text: str, pointers: Sequence[str]) -> list[Span]:
        """Return the spans of string values that all have the same text.

        If the text occurs in the file as often as there are values, no source map is built.
        """
        starts = list(_find_occurrences(text, self.text))
        if len(starts) != len(pointers):
            return [self.value_span(pointer) for pointer in pointers]
        return [self.span_at(start - (self.text[start - 1 : start] in {'"', "'"})) for start in starts]

    def span_at(self, offset: int) -> Span:
        """Return the span of an offset in the text of the document."""
        return Span(self.path, *_source_map_module().position_of(self.text, offset))

    def offset_of(self, span: Span) -> int:
        """Return the offset of a span in the text of the document."""
        offset: int = _source_map_module().offset_of(self.text, (span.line, span.column))
        return offset

    def scalar_text(self, pointer: str) -> str | None:
        """Return the source text of a scalar, or None if the pointer has none."""
        source_range = self._source_map().get(pointer)
        return source_range.text if source_range else None

    def plain_text(self, pointer: str) -> str | None:
        """Return the source text of a scalar that is neither quoted nor tagged; None for any other value."""
        source_range = self._source_map().get(pointer)
        if source_range is None or source_range.text is None:
            return None
        start = _source_map_module().offset_of(self.text, source_range.value_position)
        return source_range.text if self.text.startswith(source_range.text, start) else None

    def has_pointer(self, pointer: str) -> bool:
        """Return True if there is a value at a JSON pointer in the source text."""
        return pointer in self._source_map()

    def _nearest_span(self, pointer: str, position: str) -> Span:
        source_map = self._source_map()
        while pointer and pointer not in source_map:
            pointer = pointer.rpartition("/")[0]
        return Span(self.path, *getattr(source_map[pointer], position)) if pointer in source_map else Span(self.path)

    def _source_map(self) -> Any:
        return _source_map_module().build_source_map(self.text)


DocumentOverride = Callable[[Document, str], tuple[Document, tuple[Diagnostic, ...]]]
"""Gives a document of a kind other values than those of its file, and returns what is wrong with them, too."""


def keep_document(document: Document, _kind_name: str) -> tuple[Document, tuple[Diagnostic, ...]]:
    """Return a document as it is."""
    return document, ()


def _find_occurrences(text: str, source: str) -> Iterator[int]:
    """Yield the offsets of a text in a source, except where it is the beginning of a longer name."""
    start = source.find(text)
    while start >= 0:
        after = source[start + len(text) : start + len(text) + 1]
        longer = after.isalnum() or (after != "" and after in "_.:@/-")
        if not longer:
            yield start
        start = source.find(text, start + (1 if longer else len(text)))


@cache
def _source_map_module() -> Any:
    return importlib.import_module("reconciler.format.source_map")
