"""Where things stand in a YAML file: the place of every key and value, looked up when one is asked for.

Also the scanner's events, which reading and looking up have in common.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from yaml.cyaml import CParser  # type: ignore[attr-defined]  # the stubs do not say that it is there for all
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


@dataclass(frozen=True, slots=True)
class SourceRange:
    """Where a value stands and where its key, both as line and column from 1; its text, if it is a scalar."""

    key_position: tuple[int, int]
    value_position: tuple[int, int]
    text: str | None


def yaml_events(text: str) -> Iterator[Any]:
    parser = CParser(text)
    try:
        yield from iter(parser.get_event, None)
    finally:
        parser.dispose()


def event_position(event: Any) -> tuple[int, int]:
    return (event.start_mark.line + 1, event.start_mark.column + 1) if event is not None else (1, 1)


@dataclass(slots=True)
class _OpenCollection:
    """A mapping or a list whose places are being found: its pointer, and the key or the index that comes next."""

    pointer: str
    is_mapping: bool
    pending_key: tuple[str, tuple[int, int]] | None = None
    index: int = 0

    def next_child(self, place: tuple[int, int]) -> tuple[str, tuple[int, int]]:
        """Return pointer and place of key of the value that stands at ``place``."""
        if self.pending_key is not None:
            found, self.pending_key = self.pending_key, None
            return found
        self.index += 1
        return f"{self.pointer}/{self.index - 1}", place


@lru_cache(maxsize=256)
def build_source_map(text: str) -> Mapping[str, SourceRange]:
    """Find the place of everything in a document that could be read."""
    found: dict[str, SourceRange] = {}
    spots: list[_OpenCollection] = []
    for event in yaml_events(text) if text else ():
        if isinstance(event, MappingEndEvent | SequenceEndEvent):
            spots.pop()
        elif isinstance(event, NodeEvent):
            _add_node(event, spots, found)
    return found


def _add_node(event: Any, spots: list[_OpenCollection], found: dict[str, SourceRange]) -> None:
    here, spot = event_position(event), spots[-1] if spots else None
    if spot is not None and spot.is_mapping and spot.pending_key is None:
        spot.pending_key = (f"{spot.pointer}/{escape_key(event.value)}", here)
        return
    pointer, key = spot.next_child(here) if spot else ("", here)
    if len(pointer) > MAX_POINTER_LENGTH:
        pointer = ""  # what stands so deep is shown at the top
    found.setdefault(pointer, SourceRange(key, here, event.value if isinstance(event, ScalarEvent) else None))
    if isinstance(event, CollectionStartEvent):
        spots.append(_OpenCollection(pointer, isinstance(event, MappingStartEvent)))
