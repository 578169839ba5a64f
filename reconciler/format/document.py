"""A YAML file that was read: its JSON value, and the line and column of its keys and values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from reconciler.diagnostics import Span
from reconciler.format.source_map import SourceRange, build_source_map, offset_of, position_of
from reconciler.model import Json


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file as JSON; it knows the place of each of its keys and values, and what was typed there."""

    path: str
    data: Json
    text: str = field(default="", repr=False)

    def key_span(self, pointer: str) -> Span:
        """Return the place of the key at a JSON pointer, or of the nearest one above it."""
        return self._nearest_span(pointer, lambda place: place.key_position)

    def value_span(self, pointer: str) -> Span:
        """Return the place of the value at a JSON pointer, or of the nearest one above it."""
        return self._nearest_span(pointer, lambda place: place.value_position)

    def spans_of(self, text: str, pointers: Sequence[str]) -> list[Span]:
        """Return the places of string values that are all the same text.

        Where the text stands in the file just as often as there are values, no second pass is needed.
        """
        starts = list(_find_occurrences(text, self.text))
        if len(starts) != len(pointers):
            return [self.value_span(pointer) for pointer in pointers]
        return [self.span_at(start - (self.text[start - 1 : start] in {'"', "'"})) for start in starts]

    def span_at(self, offset: int) -> Span:
        """Return the span of an offset in the text of the document."""
        return Span(self.path, *position_of(self.text, offset))

    def offset_of(self, span: Span) -> int:
        """Return the offset of a span in the text of the document."""
        return offset_of(self.text, (span.line, span.column))

    def scalar_text(self, pointer: str) -> str | None:
        """Return the text of a scalar as it stands in the file; None where there is none."""
        place = build_source_map(self.text).get(pointer)
        return place.text if place else None

    def _nearest_span(self, pointer: str, which: Callable[[SourceRange], tuple[int, int]]) -> Span:
        known = build_source_map(self.text)
        while pointer and pointer not in known:
            pointer = pointer.rpartition("/")[0]
        return Span(self.path, *which(known[pointer])) if pointer in known else Span(self.path)


def _find_occurrences(text: str, source: str) -> Iterator[int]:
    """Yield where a text stands in another, not as the beginning of a longer name."""
    start = source.find(text)
    while start >= 0:
        after = source[start + len(text) : start + len(text) + 1]
        longer = after.isalnum() or (after != "" and after in "_.:@/-")
        if not longer:
            yield start
        start = source.find(text, start + (1 if longer else len(text)))
