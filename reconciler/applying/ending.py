"""Ctrl-C and SIGTERM as a wish that is kept until there is a good moment, so that nothing is left half done."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_NAP_SECONDS = 0.2  # how long a signal may have to wait for a pause to end


@dataclass(slots=True)
class Ending:
    """Whether somebody wants it to end: 0, or the signal that said so.

    A second signal interrupts whatever is going on. ``said`` is called by the first one, in the signal's handler.
    """

    said: Callable[[], None] = lambda: None
    by: int = 0

    def __call__(self) -> bool:
        return bool(self.by)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT for as long as the block goes on."""
        before = {each: signal.signal(each, self._heard) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def pause(self, seconds: float) -> None:
        """Wait, unless it is to end."""
        until = time.monotonic() + seconds
        while not self.by and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _NAP_SECONDS))

    def _heard(self, number: int, _frame: FrameType | None) -> None:
        if self.by:
            raise KeyboardInterrupt
        self.by = number
        self.said()
