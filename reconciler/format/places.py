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

from reconciler.format.pointers import escape

MAX_POINTER = 4_000  # characters


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands and where its key, both as line and column from 1; its text, if it is a scalar."""

    key: tuple[int, int]
    value: tuple[int, int]
    text: str | None


def events(text: str) -> Iterator[Any]:
    parser = CParser(text)
    try:
        yield from iter(parser.get_event, None)
    finally:
        parser.dispose()


def at(event: Any) -> tuple[int, int]:
    return (event.start_mark.line + 1, event.start_mark.column + 1) if event is not None else (1, 1)


@dataclass(slots=True)
class _Spot:
    """A mapping or a list whose places are being found: its pointer, and the key or the index that comes next."""

    pointer: str
    mapping: bool
    key: tuple[str, tuple[int, int]] | None = None
    index: int = 0

    def next(self, place: tuple[int, int]) -> tuple[str, tuple[int, int]]:
        """Return pointer and place of key of the value that stands at ``place``."""
        if self.key is not None:
            found, self.key = self.key, None
            return found
        self.index += 1
        return f"{self.pointer}/{self.index - 1}", place


@lru_cache(maxsize=256)
def places(text: str) -> Mapping[str, Place]:
    """Find the place of everything in a document that could be read."""
    found: dict[str, Place] = {}
    spots: list[_Spot] = []
    for event in events(text) if text else ():
        if isinstance(event, MappingEndEvent | SequenceEndEvent):
            spots.pop()
        elif isinstance(event, NodeEvent):
            _find(event, spots, found)
    return found


def _find(event: Any, spots: list[_Spot], found: dict[str, Place]) -> None:
    here, spot = at(event), spots[-1] if spots else None
    if spot is not None and spot.mapping and spot.key is None:
        spot.key = (f"{spot.pointer}/{escape(event.value)}", here)
        return
    pointer, key = spot.next(here) if spot else ("", here)
    if len(pointer) > MAX_POINTER:
        pointer = ""  # what stands so deep is shown at the top
    found.setdefault(pointer, Place(key, here, event.value if isinstance(event, ScalarEvent) else None))
    if isinstance(event, CollectionStartEvent):
        spots.append(_Spot(pointer, isinstance(event, MappingStartEvent)))
