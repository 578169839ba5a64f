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

from .files import write_json_atomically
from .result import LOG_FILE, CommandOutcome, Failure, FinalStatus, RunCanceledError, command_failure
from .spec import RunSpec

HEARTBEAT_SECONDS = 2.0  # seconds between two beats of the heart
_POLL_SECONDS = 0.05  # seconds between two looks at a group that is on its way out
_STOP_EVENT, _END_EVENT = "stop", "ended"


class RunMonitor:
    """The runner's ear and its heart: hears a request to stop, and tells the backend that it is alive."""

    def __init__(self, folder: Path) -> None:
        self._heartbeat = folder / "heartbeat"
        self._events: SimpleQueue[str] = SimpleQueue()  # its put() is safe in a signal handler
        self._next_beat = 0.0
        self._stopped = False

    def install_signal_handlers(self) -> None:
        """Take SIGTERM and SIGINT as requests to stop, from here on."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._on_signal)

    def heartbeat(self) -> None:
        """Beat if it is time to; raises Canceled after a request to stop."""
        self._touch_heartbeat_file()
        if self._stopped:
            raise RunCanceledError

    def notify_ended(self) -> None:
        """Tell that the command has ended."""
        self._events.put(_END_EVENT)

    def wait_for_event(self, deadline: float | None) -> str | None:
        """Wait, beating, for the next thing that happens; None when the deadline (monotonic seconds) has passed."""
        while deadline is None or time.monotonic() < deadline:
            self._touch_heartbeat_file()
            until = self._next_beat if deadline is None else min(self._next_beat, deadline)
            try:
                return self._events.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                continue
        return None

    def wait_for_end(self, deadline: float) -> bool:
        """Wait for the command's end only; tell whether it came in time."""
        while (event := self.wait_for_event(deadline)) is not None:
            if event == _END_EVENT:
                return True
        return False

    def _touch_heartbeat_file(self) -> None:
        if time.monotonic() >= self._next_beat:
            self._heartbeat.touch()
            self._next_beat = time.monotonic() + HEARTBEAT_SECONDS

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopped = True
        self._events.put(_STOP_EVENT)


@dataclass(frozen=True, slots=True)
class _ChildProcess:
    process: subprocess.Popen[bytes]
    wait_thread: threading.Thread

    def send_signal(self, number: int) -> bool:
        """Signal the whole group; tell whether anybody was there to hear it (0 only asks)."""
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):  # the second is how macOS says it of zombies
            return False
        return True


def execute_command(
    command: str, folder: Path, variables: Mapping[str, str], spec: RunSpec, watch: RunMonitor
) -> CommandOutcome:
    """Run a shell command in a folder until it ends, its time is over or somebody stops it; leave nothing running."""
    watch.heartbeat()
    deadline = None if spec.timeout is None else time.monotonic() + spec.timeout
    child = _start_command(command, folder, variables, spec, watch.notify_ended)
    try:
        write_json_atomically(spec.folder / "command.json", {"pgid": child.process.pid, "pid": child.process.pid})
        event = watch.wait_for_event(deadline)
        if event != _END_EVENT:
            _terminate_gracefully(child, watch, time.monotonic() + spec.grace)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait_thread.join()
        return_code = child.process.wait()
    return _make_outcome(event, return_code, spec)


def _terminate_gracefully(child: _ChildProcess, watch: RunMonitor, deadline: float) -> None:
    """Ask the group politely and wait for all of it: a shell dies at once, what it started may still be saving."""
    child.send_signal(signal.SIGTERM)
    if watch.wait_for_end(deadline):
        child.process.wait()
        while child.send_signal(0) and time.monotonic() < deadline:
            watch.wait_for_event(min(deadline, time.monotonic() + _POLL_SECONDS))


def _make_outcome(event: str | None, return_code: int, spec: RunSpec) -> CommandOutcome:
    exit_code = return_code if return_code >= 0 else None
    if event == _STOP_EVENT:
        return CommandOutcome(FinalStatus.CANCELED, None, exit_code)
    if event is None:
        ended_by = None if return_code >= 0 else signal.Signals(-return_code).name
        message = f"the command was stopped after {spec.timeout:g} seconds, the job's time limit"
        return CommandOutcome(FinalStatus.FAILED, Failure("timeout", message, exit_code, ended_by), exit_code)
    if return_code != 0:
        return CommandOutcome(FinalStatus.FAILED, command_failure(return_code, spec.folder / LOG_FILE), exit_code)
    return CommandOutcome(FinalStatus.COMPLETED, None, 0)


def _start_command(
    command: str, folder: Path, variables: Mapping[str, str], spec: RunSpec, on_end: Callable[[], None]
) -> _ChildProcess:
    """Start the command; of the runner's open files it keeps none but the lock that the backend watches it by."""
    with (spec.folder / LOG_FILE).open("ab") as log:
        process = subprocess.Popen(
            [_find_shell(), "-c", command],
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
            pass_fds=() if spec.child_lock_fd is None else (spec.child_lock_fd,),
        )
    if spec.child_lock_fd is not None:
        os.close(spec.child_lock_fd)  # from here on it is held by the command and its descendants only
    thread = threading.Thread(target=_wait_for_exit, args=(process, on_end), daemon=True)
    thread.start()
    return _ChildProcess(process, thread)


def _wait_for_exit(process: subprocess.Popen[bytes], on_end: Callable[[], None]) -> None:
    """Wait without reaping where the system can: while the body lies there, nobody else gets its number."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()
    on_end()


def _find_shell() -> str:
    """Find the shell: bash as on Azure ML, else what every system has."""
    return shutil.which("bash", path="/bin:/usr/bin:/usr/local/bin") or "/bin/sh"
