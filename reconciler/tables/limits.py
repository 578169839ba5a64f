"""The limits of memory and time within which tables of others are read."""

from __future__ import annotations

import time
from typing import NamedTuple

MAX_MEMORY = 1 << 30
"""Bytes that the process that reads may take, more than it has when it has started."""
MEMORY_REASON = "reading it needs more memory than it may take"


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
