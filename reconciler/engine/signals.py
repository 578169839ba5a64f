"""Graceful shutdown: on Ctrl-C or SIGTERM, finish running actions and start no new ones."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_POLL_SECONDS = 0.2  # the longest that `sleep` goes on after a signal


@dataclass(slots=True)
class GracefulShutdown:
    """Records the first SIGINT or SIGTERM; calling it returns True once there was one.

    The second signal raises KeyboardInterrupt. ``on_signal`` is called for the first one, in the signal handler.
    """

    on_signal: Callable[[], None] = lambda: None
    signal_number: int = 0

    def __call__(self) -> bool:
        return bool(self.signal_number)

    @contextmanager
    def handle_signals(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT within the block, then restore the previous handlers."""
        previous = {number: signal.signal(number, self._handle_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def sleep(self, seconds: float) -> None:
        """Sleep until the time is over or a signal arrives."""
        deadline = time.monotonic() + seconds
        while not self.signal_number and (remaining := deadline - time.monotonic()) > 0:
            time.sleep(min(remaining, _POLL_SECONDS))

    def _handle_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.signal_number:
            raise KeyboardInterrupt
        self.signal_number = number
        self.on_signal()
