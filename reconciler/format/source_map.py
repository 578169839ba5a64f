"""The positions of keys and values in a YAML file, and the conversion between offsets and positions.

A position is a line and a column, both counted from 1. The module also holds the iterator over the parser's events,
which loading and the source map share.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from yaml.cyaml import CParser  # type: ignore[attr-defined]  # missing from the stubs
from yaml.events import (
    CollectionStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from reconciler.format.pointers import escape_key

MAX_POINTER_LENGTH = 4_000  # characters
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # the line breaks of YAML

Position = tuple[int, int]


class SourceRange(NamedTuple):
    """The positions of a value and of its key, and the source text of the value if it is a scalar."""

    key_position: Position
    value_position: Position
    text: str | None


def yaml_events(text: str) -> Iterator[Any]:
    """Yield the parser's events for a YAML text."""
    parser = CParser(text)
    try:
        yield from iter(parser.get_event, None)
    finally:
        parser.dispose()


def event_position(event: Any) -> Position:
    """Return the position at which an event starts; the start of the file for None."""
    return (event.start_mark.line + 1, event.start_mark.column + 1) if event is not None else (1, 1)


@lru_cache(maxsize=4)  # one file may have many diagnostics
def _line_starts(text: str) -> tuple[int, ...]:
    return (0, *(match.end() for match in _LINE_BREAK.finditer(text)))


def position_of(text: str, offset: int) -> Position:
    """Return the position of an offset in a text."""
    if text.isascii() and "\r" not in text:  # as nearly all are: counting takes less time than a table of lines
        return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
    starts = _line_starts(text)
    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1


def offset_of(text: str, position: Position) -> int:
    """Return the offset of a position in a text."""
    starts = _line_starts(text)
    line, column = position
    return starts[min(line, len(starts)) - 1] + column - 1


@dataclass(slots=True)
class _OpenCollection:
    """A mapping or list that is being mapped: its pointer, and the key or index of the next value."""

    pointer: str
    is_mapping: bool
    pending_key: tuple[str, Position] | None = None
    index: int = 0

    def next_child(self, position: Position) -> tuple[str, Position]:
        """Return the pointer and the key's position of the value at ``position``."""
        if self.pending_key is not None:
            child, self.pending_key = self.pending_key, None
            return child
        self.index += 1
        return f"{self.pointer}/{self.index - 1}", position


@lru_cache(maxsize=256)
def build_source_map(text: str) -> Mapping[str, SourceRange]:
    """Return the source ranges of a readable document by JSON pointer."""
    ranges: dict[str, SourceRange] = {}
    open_collections: list[_OpenCollection] = []
    for event in yaml_events(text) if text else ():
        if isinstance(event, MappingEndEvent | SequenceEndEvent):
            open_collections.pop()
        elif isinstance(event, NodeEvent):
            _add_node(event, open_collections, ranges)
    return ranges


def _add_node(event: Any, open_collections: list[_OpenCollection], ranges: dict[str, SourceRange]) -> None:
    position, parent = event_position(event), open_collections[-1] if open_collections else None
    if parent is not None and parent.is_mapping and parent.pending_key is None:
        parent.pending_key = (f"{parent.pointer}/{escape_key(event.value)}", position)
        return
    pointer, key_position = parent.next_child(position) if parent else ("", position)
    if len(pointer) > MAX_POINTER_LENGTH:
        pointer = ""  # values nested too deeply are reported at the top of the file
    text = event.value if isinstance(event, ScalarEvent) else None
    ranges.setdefault(pointer, SourceRange(key_position, position, text))
    if isinstance(event, CollectionStartEvent):
        open_collections.append(_OpenCollection(pointer, isinstance(event, MappingStartEvent)))
