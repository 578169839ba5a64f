"""The command and the processes that it starts: heartbeat, timeout, cancel, and the outcome."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType

from .descendants import adopt_orphans, find_descendants, kill_descendants, reap_orphans, send_signal
from .files import write_json_atomically
from .result import LOG_FILE, CommandOutcome, Failure, FinalStatus, RunCanceledError, command_failure, signal_name
from .spec import RunSpec

COMMAND_FILE = "command.json"
HEARTBEAT_SECONDS = 2.0  # between two heartbeats
_POLL_SECONDS = 0.05  # between two checks of processes that are ending
_KILL_SECONDS = 10.0  # for processes to end that cannot refuse to
_STOP_EVENT, _END_EVENT = "stop", "ended"


class RunMonitor:
    """Receives requests to stop the run, and touches the heartbeat file that shows that the runner is alive."""

    def __init__(self, folder: Path) -> None:
        self._heartbeat_file = folder / "heartbeat"
        self._events: SimpleQueue[str] = SimpleQueue()  # its put() is safe in a signal handler
        self._next_heartbeat = 0.0
        self._is_stopped = False
        self._command = 0

    def install_signal_handlers(self) -> None:
        """Treat SIGTERM and SIGINT as requests to stop from here on."""
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, self._on_signal)

    def heartbeat(self) -> None:
        """Touch the heartbeat file if that is due; raises RunCanceledError after a request to stop."""
        self._touch_heartbeat_file()
        if self._is_stopped:
            raise RunCanceledError

    def watch_command(self, command: int) -> None:
        """Remember the process id of the command, whose orphans are reaped at every heartbeat."""
        self._command = command

    def notify_ended(self) -> None:
        """Report that the command has ended."""
        self._events.put(_END_EVENT)

    def wait_for_event(self, deadline: float | None) -> str | None:
        """Return the next event, with heartbeats until it comes; None once the deadline (monotonic seconds) is over."""
        while deadline is None or time.monotonic() < deadline:
            self._touch_heartbeat_file()
            until = self._next_heartbeat if deadline is None else min(self._next_heartbeat, deadline)
            try:
                return self._events.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                continue
        return None

    def wait_for_end(self, deadline: float) -> bool:
        """Wait until the command has ended; return False if the deadline is over before."""
        while (event := self.wait_for_event(deadline)) is not None:
            if event == _END_EVENT:
                return True
        return False

    def _touch_heartbeat_file(self) -> None:
        if time.monotonic() >= self._next_heartbeat:
            self._heartbeat_file.touch()
            if self._command:
                reap_orphans(self._command)
            self._next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._is_stopped = True
        self._events.put(_STOP_EVENT)


@dataclass(frozen=True, slots=True)
class _ChildProcess:
    process: subprocess.Popen[bytes]
    wait_thread: threading.Thread

    def send_signal(self, number: int) -> None:
        """Signal the process group of the command."""
        with suppress(ProcessLookupError, PermissionError):  # macOS raises the second for a group of zombies
            os.killpg(self.process.pid, number)

    def is_outside_group(self, process: int) -> bool:
        """Return True if a living process is not in the process group of the command."""
        try:
            return os.getpgid(process) != self.process.pid
        except ProcessLookupError:
            return False


def execute_command(
    command: str, folder: Path, variables: Mapping[str, str], spec: RunSpec, monitor: RunMonitor
) -> CommandOutcome:
    """Run a shell command in a folder until it ends, exceeds its time limit or is stopped; leave no process behind."""
    monitor.heartbeat()
    deadline = None if spec.timeout is None else time.monotonic() + spec.timeout
    adopt_orphans()
    child = _start_command(command, folder, variables, spec, monitor.notify_ended)
    monitor.watch_command(child.process.pid)
    try:
        with suppress(OSError):  # on a disk that it has filled already; it has other marks
            write_json_atomically(spec.folder / COMMAND_FILE, {"pgid": child.process.pid, "pid": child.process.pid})
        event = monitor.wait_for_event(deadline)
        if event != _END_EVENT:
            _terminate_gracefully(child, monitor, time.monotonic() + spec.grace)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait_thread.join()
        return_code = child.process.wait()
        kill_descendants(signal.SIGKILL, time.monotonic() + _KILL_SECONDS)
    return _make_outcome(event, return_code, spec)


def _terminate_gracefully(child: _ChildProcess, monitor: RunMonitor, deadline: float) -> None:
    """Send SIGTERM to all processes and wait for them: the shell exits at once, its children may still be saving."""
    child.send_signal(signal.SIGTERM)
    send_signal(filter(child.is_outside_group, find_descendants(os.getpid())), signal.SIGTERM)
    if monitor.wait_for_end(deadline):
        child.process.wait()
        while find_descendants(os.getpid()) and time.monotonic() < deadline:
            monitor.wait_for_event(min(deadline, time.monotonic() + _POLL_SECONDS))


def _make_outcome(event: str | None, return_code: int, spec: RunSpec) -> CommandOutcome:
    exit_code = return_code if return_code >= 0 else None
    if event == _STOP_EVENT:
        return CommandOutcome(FinalStatus.CANCELED, None, exit_code)
    if event is None:
        name = None if return_code >= 0 else signal_name(-return_code)
        message = f"the command was stopped after {spec.timeout:g} seconds, the time limit of the job"
        return CommandOutcome(FinalStatus.FAILED, Failure("timeout", message, exit_code, name), exit_code)
    if return_code != 0:
        return CommandOutcome(FinalStatus.FAILED, command_failure(return_code, spec.folder / LOG_FILE), exit_code)
    return CommandOutcome(FinalStatus.COMPLETED, None, 0)


def _start_command(
    command: str, folder: Path, variables: Mapping[str, str], spec: RunSpec, on_end: Callable[[], None]
) -> _ChildProcess:
    """Start the command; of the open files of the runner it inherits only its lock and those of its slots."""
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
            pass_fds=(*spec.slot_fds, *(() if spec.child_lock_fd is None else (spec.child_lock_fd,))),
        )
    if spec.child_lock_fd is not None:
        os.close(spec.child_lock_fd)  # so that only the command and its descendants hold it
    thread = threading.Thread(target=_wait_for_exit, args=(process, on_end), daemon=True)
    thread.start()
    return _ChildProcess(process, thread)


def _wait_for_exit(process: subprocess.Popen[bytes], on_end: Callable[[], None]) -> None:
    """Wait without reaping if the system can: while it is a zombie, no other process gets its process group id."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()
    on_end()


def _find_shell() -> str:
    """Return the shell: bash as on Azure ML, or else /bin/sh."""
    return shutil.which("bash", path="/bin:/usr/bin:/usr/local/bin") or "/bin/sh"
