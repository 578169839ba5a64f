"""The command in its own process group: the heart that beats beside it, and every way in which it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType

from .records import write_record
from .result import LOG, Canceled, Failure, Outcome, Status, user_failure
from .spec import Spec

BEAT = 2.0  # seconds between two beats of the heart
_POLL = 0.05  # seconds between two looks at a group that is on its way out
_STOP, _ENDED = "stop", "ended"


class Watch:
    """The runner's ear and its heart: hears a request to stop, and tells the backend that it is alive."""

    def __init__(self, folder: Path) -> None:
        self._heartbeat = folder / "heartbeat"
        self._events: SimpleQueue[str] = SimpleQueue()  # its put() is safe in a signal handler
        self._next_beat = 0.0
        self._stopped = False

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as requests to stop, from here on."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._hear)

    def pulse(self) -> None:
        """Beat if it is time to; raises Canceled after a request to stop."""
        self._beat()
        if self._stopped:
            raise Canceled

    def ended(self) -> None:
        """Tell that the command has ended."""
        self._events.put(_ENDED)

    def wait(self, deadline: float | None) -> str | None:
        """Wait, beating, for the next thing that happens; None when the deadline (monotonic seconds) has passed."""
        while deadline is None or time.monotonic() < deadline:
            self._beat()
            until = self._next_beat if deadline is None else min(self._next_beat, deadline)
            try:
                return self._events.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                continue
        return None

    def wait_for_end(self, deadline: float) -> bool:
        """Wait for the command's end only; tell whether it came in time."""
        while (event := self.wait(deadline)) is not None:
            if event == _ENDED:
                return True
        return False

    def _beat(self) -> None:
        if time.monotonic() >= self._next_beat:
            self._heartbeat.touch()
            self._next_beat = time.monotonic() + BEAT

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self._stopped = True
        self._events.put(_STOP)


@dataclass(frozen=True, slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    ended: threading.Thread

    def tell(self, number: int) -> bool:
        """Signal the whole group; tell whether anybody was there to hear it (0 only asks)."""
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):  # the second is how macOS says it of zombies
            return False
        return True


def execute(command: str, folder: Path, variables: Mapping[str, str], spec: Spec, watch: Watch) -> Outcome:
    """Run a shell command in a folder until it ends, its time is over or somebody stops it; leave nothing running."""
    watch.pulse()
    deadline = None if spec.timeout is None else time.monotonic() + spec.timeout
    child = _start(command, folder, variables, spec, watch.ended)
    try:
        write_record(spec.folder / "command.json", {"pgid": child.process.pid, "pid": child.process.pid})
        event = watch.wait(deadline)
        if event != _ENDED:
            _ask_to_end(child, watch, time.monotonic() + spec.grace)
    finally:
        child.tell(signal.SIGKILL)
        child.ended.join()
        return_code = child.process.wait()
    return _conclude(event, return_code, spec)


def _ask_to_end(child: _Child, watch: Watch, deadline: float) -> None:
    """Ask the group politely and wait for all of it: a shell dies at once, what it started may still be saving."""
    child.tell(signal.SIGTERM)
    if watch.wait_for_end(deadline):
        child.process.wait()
        while child.tell(0) and time.monotonic() < deadline:
            watch.wait(min(deadline, time.monotonic() + _POLL))


def _conclude(event: str | None, return_code: int, spec: Spec) -> Outcome:
    exit_code = return_code if return_code >= 0 else None
    if event == _STOP:
        return Outcome(Status.CANCELED, None, exit_code)
    if event is None:
        ended_by = None if return_code >= 0 else signal.Signals(-return_code).name
        message = f"the command was stopped after {spec.timeout:g} seconds, the job's time limit"
        return Outcome(Status.FAILED, Failure("timeout", message, exit_code, ended_by), exit_code)
    if return_code != 0:
        return Outcome(Status.FAILED, user_failure(return_code, spec.folder / LOG), exit_code)
    return Outcome(Status.COMPLETED, None, 0)


def _start(command: str, folder: Path, variables: Mapping[str, str], spec: Spec, on_end: Callable[[], None]) -> _Child:
    """Start the command; of the runner's open files it keeps none but the lock that the backend watches it by."""
    with (spec.folder / LOG).open("ab") as log:
        process = subprocess.Popen(
            [_shell(), "-c", command],
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
            pass_fds=() if spec.child_lock is None else (spec.child_lock,),
        )
    if spec.child_lock is not None:
        os.close(spec.child_lock)  # from here on it is held by the command and its descendants only
    thread = threading.Thread(target=_await_end, args=(process, on_end), daemon=True)
    thread.start()
    return _Child(process, thread)


def _await_end(process: subprocess.Popen[bytes], on_end: Callable[[], None]) -> None:
    """Wait without reaping where the system can: while the body lies there, nobody else gets its number."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()
    on_end()


def _shell() -> str:
    """Find the shell: bash as on Azure ML, else what every system has."""
    return shutil.which("bash", path="/bin:/usr/bin:/usr/local/bin") or "/bin/sh"
