"""Ctrl-C and SIGTERM as a wish that is kept until there is a good moment, so that nothing is left half done."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_POLL_SECONDS = 0.2  # how long a signal may have to wait for a pause to end


@dataclass(slots=True)
class GracefulShutdown:
    """Whether somebody wants it to end: 0, or the signal that said so.

    A second signal interrupts whatever is going on. ``said`` is called by the first one, in the signal's handler.
    """

    on_signal: Callable[[], None] = lambda: None
    signal_number: int = 0

    def __call__(self) -> bool:
        return bool(self.signal_number)

    @contextmanager
    def handle_signals(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT for as long as the block goes on."""
        before = {each: signal.signal(each, self._handle_signal) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def sleep(self, seconds: float) -> None:
        """Wait, unless it is to end."""
        until = time.monotonic() + seconds
        while not self.signal_number and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _POLL_SECONDS))

    def _handle_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.signal_number:
            raise KeyboardInterrupt
        self.signal_number = number
        self.on_signal()
