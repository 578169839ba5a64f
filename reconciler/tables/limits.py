"""The limits within which tables of others are read, and the errors of what exceeds them or cannot be read."""

from __future__ import annotations

import time
from typing import NamedTuple

MAX_MEMORY = 1 << 30
"""Bytes that the process that reads may take, more than it has when it has started."""
MEMORY_REASON = "reading it needs more memory than it may take"
MAX_LINE = 16 << 20
"""Bytes of one line of text, with all its fields."""
MAX_COLUMNS = 10_000


class TableError(Exception):
    """A table cannot be read, or not within the limits; its text says why, on one line."""


class Deadline(NamedTuple):
    """When reading has to end, by the monotonic clock, and after how many seconds that is."""

    at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline in so many seconds."""
        return cls(time.monotonic() + seconds, seconds)

    @property
    def has_passed(self) -> bool:
        """True once the time is over."""
        return time.monotonic() >= self.at

    def __str__(self) -> str:
        return f"more than {self.seconds:g} s"


def check_columns(names: list[str]) -> list[str]:
    """Return the names of columns. Raises TableError if there are too many."""
    if len(names) > MAX_COLUMNS:
        raise TableError(f"it has more than {MAX_COLUMNS} columns")
    return names


def unique_names(names: list[str]) -> list[str]:
    """Return names of columns, those that occur again with ``.1``, ``.2`` ... after them, as pandas has it."""
    seen: set[str] = set()
    numbers: dict[str, int] = {}  # the last one behind each name: looking for it from 0 takes long for many
    unique = []
    for name in names:
        candidate = name
        while candidate in seen:
            numbers[name] = numbers.get(name, 0) + 1
            candidate = f"{name}.{numbers[name]}"
        seen.add(candidate)
        unique.append(candidate)
    return unique
