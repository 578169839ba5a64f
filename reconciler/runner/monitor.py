"""What happens while a run goes on: requests to stop, ends of processes, and the heartbeat of the runner."""

from __future__ import annotations

import signal
import time
from collections.abc import Collection
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import NamedTuple

from .descendants import reap_orphans
from .result import Failure, RunCanceledError

HEARTBEAT_FILE = "heartbeat"
HEARTBEAT_SECONDS = 2.0  # between two heartbeats


class StopRequest(NamedTuple):
    """An event: the run is to stop."""


class ProcessEnd(NamedTuple):
    """An event: a process of the job has ended."""

    process: int
    return_code: int


class InstanceDone(NamedTuple):
    """An event: all processes of another instance have ended as they should, but for its servers."""

    instance: int


class InstanceFailed(NamedTuple):
    """An event: a process of another instance has failed."""

    failure: Failure


class InstanceLost(NamedTuple):
    """An event: another instance has ended and told nothing."""

    message: str


Event = StopRequest | ProcessEnd | InstanceDone | InstanceFailed | InstanceLost


class RunMonitor:
    """Receives requests to stop the run, and touches the heartbeat file that shows that the runner is alive."""

    def __init__(self, folder: Path) -> None:
        self._heartbeat_file = folder / HEARTBEAT_FILE
        self._events: SimpleQueue[Event] = SimpleQueue()  # its put() is safe in a signal handler
        self._next_heartbeat = 0.0
        self._is_stopped = False
        self._commands: Collection[int] = ()

    def install_signal_handlers(self) -> None:
        """Treat SIGTERM and SIGINT as requests to stop from here on."""
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, self._on_signal)

    def heartbeat(self) -> None:
        """Touch the heartbeat file if that is due; raises RunCanceledError after a request to stop."""
        self._touch_heartbeat_file()
        if self._is_stopped:
            raise RunCanceledError

    def watch_commands(self, commands: Collection[int]) -> None:
        """Remember the process ids of the commands, whose orphans are reaped at every heartbeat."""
        self._commands = commands

    def notify_ended(self, process: int, return_code: int) -> None:
        """Report that a process of the job has ended."""
        self.notify(ProcessEnd(process, return_code))

    def notify(self, event: Event) -> None:
        """Report an event; a request to stop also counts where no event is waited for."""
        if isinstance(event, StopRequest):
            self._is_stopped = True
        self._events.put(event)

    def wait_for_event(self, deadline: float | None) -> Event | None:
        """Return the next event, with heartbeats until it comes; None once the deadline (monotonic seconds) is over."""
        while deadline is None or time.monotonic() < deadline:
            self._touch_heartbeat_file()
            until = self._next_heartbeat if deadline is None else min(self._next_heartbeat, deadline)
            try:
                return self._events.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                continue
        return None

    def _touch_heartbeat_file(self) -> None:
        if time.monotonic() >= self._next_heartbeat:
            self._heartbeat_file.touch()
            if self._commands:
                reap_orphans(self._commands)
            self._next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.notify(StopRequest())
