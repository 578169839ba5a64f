"""The processes of a run, one or several with ranks, and what they start: heartbeat, timeout, cancel, the outcome."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import NamedTuple

from .descendants import adopt_orphans, find_descendants, kill_descendants, reap_orphans, send_signal
from .distribution import ProcessRole, count_ports, process_roles, share_devices
from .files import write_json_atomically
from .prefixed_log import start_copying_lines
from .result import LOG_FILE, CommandOutcome, Failure, FinalStatus, RunCanceledError, command_failure, signal_name
from .spec import RunSpec

COMMAND_FILE, HEARTBEAT_FILE = "command.json", "heartbeat"
HEARTBEAT_SECONDS = 2.0  # between two heartbeats
_POLL_SECONDS = 0.05  # between two checks of processes that are ending
_KILL_SECONDS = 10.0  # for processes to end that cannot refuse to


class StopRequest(NamedTuple):
    """An event: the run is to stop."""


class ProcessEnd(NamedTuple):
    """An event: a process of the job has ended."""

    process: int
    return_code: int


Event = StopRequest | ProcessEnd


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
        self._events.put(ProcessEnd(process, return_code))

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
        self._is_stopped = True
        self._events.put(StopRequest())


@dataclass(frozen=True, slots=True)
class _ChildProcess:
    """One process of the job; ``log_thread`` copies its output to the log if there are several."""

    role: ProcessRole
    process: subprocess.Popen[bytes]
    wait_thread: threading.Thread
    log_thread: threading.Thread | None = None

    def send_signal(self, number: int) -> None:
        """Signal the process group of the process, unless it was reaped: another may have its id then."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):  # macOS raises the second for a group of zombies
                os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """Kill the process group of the process, and reap the process."""
        self.send_signal(signal.SIGKILL)
        self.wait_thread.join()
        self.process.wait()


def execute_command(
    command: str, folder: Path, variables: Mapping[str, str], spec: RunSpec, monitor: RunMonitor
) -> CommandOutcome:
    """Run a shell command in a folder until it ends, exceeds its time limit or is stopped; leave no process behind.

    A distributed job runs it in several processes: one that fails ends the others.
    """
    monitor.heartbeat()
    deadline = None if spec.timeout is None else time.monotonic() + spec.timeout
    adopt_orphans()
    children: dict[int, _ChildProcess] = {}
    monitor.watch_commands(children.keys())
    try:
        _start_processes(command, folder, variables, spec, monitor, children)
        first = next(iter(children))
        with suppress(OSError):  # on a disk that it has filled already; it has other marks
            write_json_atomically(spec.folder / COMMAND_FILE, {"pgid": first, "pid": first})
        running = dict(children)
        event = _wait_for_processes(running, monitor, deadline)
        if running:
            _terminate_gracefully(running, monitor, time.monotonic() + spec.grace)
    finally:
        for child in children.values():
            child.kill()
        kill_descendants(signal.SIGKILL, time.monotonic() + _KILL_SECONDS)
        for child in children.values():
            if child.log_thread is not None:
                child.log_thread.join(_KILL_SECONDS)
    return _make_outcome(event, tuple(children.values()), spec)


def _wait_for_processes(running: dict[int, _ChildProcess], monitor: RunMonitor, deadline: float | None) -> Event | None:
    """Wait until one process fails, or all but servers have ended, which leave ``running``; return the event.

    Return None once the deadline is over.
    """
    while isinstance(event := monitor.wait_for_event(deadline), ProcessEnd):
        child = running.pop(event.process)
        if event.return_code != 0 or all(other.role.is_server for other in running.values()):
            break
        child.kill()
    return event


def _terminate_gracefully(running: dict[int, _ChildProcess], monitor: RunMonitor, deadline: float) -> None:
    """Send SIGTERM to all processes and wait for them: a shell exits at once, its children may still be saving."""
    groups = frozenset(running)
    for child in running.values():
        child.send_signal(signal.SIGTERM)
    outside = (process for process in find_descendants(os.getpid()) if _process_group(process) not in groups)
    send_signal(outside, signal.SIGTERM)
    while running and (event := monitor.wait_for_event(deadline)) is not None:
        if isinstance(event, ProcessEnd):
            del running[event.process]
    while find_descendants(os.getpid()) and time.monotonic() < deadline:
        monitor.wait_for_event(min(deadline, time.monotonic() + _POLL_SECONDS))


def _process_group(process: int) -> int:
    """Return the process group of a process, 0 if it has ended."""
    try:
        return os.getpgid(process)
    except ProcessLookupError:
        return 0


def _make_outcome(event: Event | None, children: Sequence[_ChildProcess], spec: RunSpec) -> CommandOutcome:
    return_code = children[0].process.returncode
    exit_code = return_code if return_code >= 0 else None
    if isinstance(event, StopRequest):
        return CommandOutcome(FinalStatus.CANCELED, None, exit_code)
    if event is None:
        name = None if return_code >= 0 else signal_name(-return_code)
        message = f"the command was stopped after {spec.timeout:g} s, the time limit of the job"
        return CommandOutcome(FinalStatus.FAILED, Failure("timeout", message, exit_code, name), exit_code)
    if event.return_code != 0:
        label = next(child.role.label for child in children if child.process.pid == event.process)
        failure = command_failure(event.return_code, spec.folder / LOG_FILE, label)
        return CommandOutcome(FinalStatus.FAILED, failure, failure.exit_code)
    return CommandOutcome(FinalStatus.COMPLETED, None, 0)


def _start_processes(  # noqa: PLR0913, PLR0917 - what a run is
    command: str,
    folder: Path,
    variables: Mapping[str, str],
    spec: RunSpec,
    monitor: RunMonitor,
    children: dict[int, _ChildProcess],
) -> None:
    """Start the processes of the job and add them to ``children``.

    Of the open files of the runner they inherit only the lock that the backend checks, and those of its slots.
    """
    ports = _free_ports(count_ports(spec.distribution, spec.instances))
    for role in process_roles(spec.distribution, ports, spec.instances):
        own = {**share_devices(variables, role.instance, spec.instances), **role.variables}
        child = _start_process(command, folder, {**variables, **own}, spec, monitor, role)
        children[child.process.pid] = child
    if spec.child_lock_fd is not None:
        os.close(spec.child_lock_fd)  # so that only the processes and their descendants hold it


def _start_process(  # noqa: PLR0913, PLR0917 - the same
    command: str, folder: Path, variables: Mapping[str, str], spec: RunSpec, monitor: RunMonitor, role: ProcessRole
) -> _ChildProcess:
    """Start one process; of the open files of the runner it inherits only its lock and those of its slots."""
    with (spec.folder / LOG_FILE).open("ab") as log:
        process = subprocess.Popen(
            [_find_shell(), "-c", command],
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if role.label else log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
            pass_fds=(*spec.slot_fds, *(() if spec.child_lock_fd is None else (spec.child_lock_fd,))),
        )
    thread = threading.Thread(target=_wait_for_exit, args=(process, monitor.notify_ended), daemon=True)
    thread.start()
    if process.stdout is None:
        return _ChildProcess(role, process, thread)
    copying = start_copying_lines(process.stdout, spec.folder / LOG_FILE, f"[{role.label}] ")
    return _ChildProcess(role, process, thread, copying)


def _free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nothing uses now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_for_exit(process: subprocess.Popen[bytes], on_end: Callable[[int, int], None]) -> None:
    """Wait without reaping if the system can: while it is a zombie, no other process gets its process group id."""
    status = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT) if hasattr(os, "waitid") else None
    if status is None:
        return_code = process.wait()
    else:
        return_code = status.si_status if status.si_code == os.CLD_EXITED else -status.si_status
    on_end(process.pid, return_code)


def _find_shell() -> str:
    """Return the shell: bash as on Azure ML, or else /bin/sh."""
    return shutil.which("bash", path="/bin:/usr/bin:/usr/local/bin") or "/bin/sh"
