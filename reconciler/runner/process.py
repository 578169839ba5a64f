"""The processes of a run on one machine, one or several with ranks, and what they start: timeout, cancel, outcome."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .descendants import adopt_orphans, find_descendants, kill_descendants, send_signal
from .distribution import ProcessRole, port_instances, process_roles, share_devices
from .files import write_json_atomically
from .modules import load_module
from .monitor import Event, InstanceDone, InstanceFailed, InstanceLost, ProcessEnd, RunMonitor, StopRequest
from .ports import free_ports
from .prefixed_log import start_copying_lines
from .result import (
    LOG_FILE,
    CommandOutcome,
    Failure,
    FinalStatus,
    RunLostError,
    command_failure,
    signal_name,
)
from .spec import RunSpec

COMMAND_FILE = "command.json"
_POLL_SECONDS = 0.05  # between two checks of processes that are ending
_KILL_SECONDS = 10.0  # for processes to end that cannot refuse to


def _do_nothing(*_arguments: object) -> None:
    """Stand for a function that a run on one machine has no need of."""


@dataclass(frozen=True, slots=True)
class JobPart:
    """The processes of a job that are started here; the run goes on until the ``others``, too, have done their parts.

    These are instances on other machines, by their numbers. ``on_done`` is called when the processes here have ended as
    they should, but for servers, which others may still use, and ``on_end`` when all are to end: with True if the job
    is done.
    """

    roles: Sequence[ProcessRole]
    others: frozenset[int] = frozenset()
    on_done: Callable[[], None] = _do_nothing
    on_end: Callable[[bool], None] = _do_nothing


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


def execute_command(  # noqa: PLR0913, PLR0917 - what a run is
    command: str,
    folder: Path,
    variables: Mapping[str, str],
    spec: RunSpec,
    monitor: RunMonitor,
    part: JobPart | None = None,
) -> CommandOutcome:
    """Run a shell command in a folder until it ends, exceeds its time limit or is stopped; leave no process behind.

    A distributed job runs it in several processes: one that fails ends the others. All of them are started here, unless
    this is a part of the job. Raises RunLostError if another instance was lost.
    """
    monitor.heartbeat()
    part = part or JobPart(_roles_of_all_instances(spec, variables))
    deadline = None if spec.timeout is None else time.monotonic() + spec.timeout
    adopt_orphans()
    children: dict[int, _ChildProcess] = {}
    monitor.watch_commands(children.keys())
    try:
        _start_processes(command, folder, variables, spec, monitor, part.roles, children)
        _note_first_process(children, spec.folder)
        running = dict(children)
        event = _wait_for_processes(running, part, monitor, deadline)
        part.on_end(_is_success(event))
        if running or (not _is_success(event) and _has_launcher(part.roles)):
            _terminate_gracefully(running, part.roles, monitor, time.monotonic() + spec.grace)
    finally:
        for child in children.values():
            child.kill()
        kill_descendants(signal.SIGKILL, time.monotonic() + _KILL_SECONDS)
        for child in children.values():
            if child.log_thread is not None:
                child.log_thread.join(_KILL_SECONDS)
        if any(role.ray for role in part.roles):
            load_module("ray_cluster").remove_ray_folder(spec.folder)
    return _make_outcome(event, tuple(children.values()), spec, variables)


def _note_first_process(children: Iterable[int], folder: Path) -> None:
    for first in list(children)[:1]:
        with suppress(OSError):  # on a disk that it has filled already; it has other marks
            write_json_atomically(folder / COMMAND_FILE, {"pgid": first, "pid": first})


def _is_success(event: Event | None) -> bool:
    return isinstance(event, InstanceDone) or (isinstance(event, ProcessEnd) and event.return_code == 0)


def _roles_of_all_instances(spec: RunSpec, variables: Mapping[str, str]) -> tuple[ProcessRole, ...]:
    """Return the processes of a job whose instances are all this machine, and share its devices."""
    ports = free_ports(len(port_instances(spec.distribution, spec.instances)), "127.0.0.1")
    return tuple(
        role
        if role.mpi  # which shares them among its ranks
        else replace(role, variables={**share_devices(variables, role.instance, spec.instances), **role.variables})
        for role in process_roles(spec.distribution, ports, spec.instances)
    )


def _wait_for_processes(
    running: dict[int, _ChildProcess], part: JobPart, monitor: RunMonitor, deadline: float | None
) -> Event | None:
    """Wait until a process fails, or all but servers have ended, here and on others; return the last event.

    Those that have ended leave ``running``. Return None once the deadline is over.
    """
    others, is_done = set(part.others), False
    event: Event | None = None
    while True:
        if not is_done and all(child.role.is_server for child in running.values()):
            is_done = True
            part.on_done()
        if is_done and not others and event is not None:
            return event
        event = monitor.wait_for_event(deadline)
        match event:
            case ProcessEnd(process, 0):
                running.pop(process).kill()
            case ProcessEnd(process):
                del running[process]
                return event
            case InstanceDone(instance):
                others.discard(instance)
            case _:
                return event


def _terminate_gracefully(
    running: dict[int, _ChildProcess], roles: Sequence[ProcessRole], monitor: RunMonitor, deadline: float
) -> None:
    """Send SIGTERM to all processes and wait for them: a shell exits at once, its children may still be saving.

    What ``mpirun`` has started gets it from there, once.
    """
    groups = frozenset(running)
    for child in running.values():
        child.send_signal(signal.SIGTERM)
    if not _has_launcher(roles):
        outside = (process for process in find_descendants(os.getpid()) if _process_group(process) not in groups)
        send_signal(outside, signal.SIGTERM)
    while running and (event := monitor.wait_for_event(deadline)) is not None:
        if isinstance(event, ProcessEnd):
            del running[event.process]
    while find_descendants(os.getpid()) and time.monotonic() < deadline:
        monitor.wait_for_event(min(deadline, time.monotonic() + _POLL_SECONDS))


def _has_launcher(roles: Iterable[ProcessRole]) -> bool:
    return any(role.mpi for role in roles)


def _process_group(process: int) -> int:
    """Return the process group of a process, 0 if it has ended."""
    try:
        return os.getpgid(process)
    except ProcessLookupError:
        return 0


def _make_outcome(
    event: Event | None, children: Sequence[_ChildProcess], spec: RunSpec, variables: Mapping[str, str]
) -> CommandOutcome:
    return_code = children[0].process.returncode if children else 0
    exit_code = return_code if return_code >= 0 else None
    match event:
        case StopRequest():
            return CommandOutcome(FinalStatus.CANCELED, None, exit_code)
        case None:
            name = None if return_code >= 0 else signal_name(-return_code)
            message = f"the command was stopped after {spec.timeout:g} s, the time limit of the job"
            return CommandOutcome(FinalStatus.FAILED, Failure("timeout", message, exit_code, name), exit_code)
        case InstanceLost(message):
            raise RunLostError(message)
        case InstanceFailed(failure):
            return CommandOutcome(FinalStatus.FAILED, failure, failure.exit_code)
        case ProcessEnd(process, return_code) if return_code != 0:
            role = next(child.role for child in children if child.process.pid == process)
            failure = _process_failure(role, return_code, spec, variables)
            return CommandOutcome(FinalStatus.FAILED, failure, failure.exit_code)
        case _:
            return CommandOutcome(FinalStatus.COMPLETED, None, 0)


def _process_failure(role: ProcessRole, return_code: int, spec: RunSpec, variables: Mapping[str, str]) -> Failure:
    failure: Failure
    if role.mpi:
        failure = load_module("mpi").rank_failure(return_code, variables)
    elif role.ray and role.is_server:
        failure = load_module("ray_cluster").ray_failure(role, return_code)
    else:
        failure = command_failure(return_code, spec.folder / LOG_FILE, role.label)
    return failure


def _start_processes(  # noqa: PLR0913, PLR0917 - what a run is
    command: str,
    folder: Path,
    variables: Mapping[str, str],
    spec: RunSpec,
    monitor: RunMonitor,
    roles: Iterable[ProcessRole],
    children: dict[int, _ChildProcess],
) -> None:
    """Start the processes of the job and add them to ``children``.

    Of the open files of the runner they inherit only the lock that the backend checks, and those of its slots.
    """
    for role in roles:
        child = _start_process(command, folder, {**variables, **role.variables}, spec, monitor, role)
        children[child.process.pid] = child
    if spec.child_lock_fd is not None:
        os.close(spec.child_lock_fd)  # so that only the processes and their descendants hold it


def _start_process(  # noqa: PLR0913, PLR0917 - the same
    command: str, folder: Path, variables: Mapping[str, str], spec: RunSpec, monitor: RunMonitor, role: ProcessRole
) -> _ChildProcess:
    """Start one process; of the open files of the runner it inherits only its lock and those of its slots."""
    words: Sequence[str] = (find_shell(), "-c", command)
    if role.mpi:
        log_file = spec.folder / LOG_FILE
        words, variables = load_module("mpi").launch_words(role, role.mpi, command, folder, log_file, variables)
    if role.ray:
        words, variables = load_module("ray_cluster").ray_words(role, role.ray, words, spec, variables)
    with (spec.folder / LOG_FILE).open("ab") as log:
        process = subprocess.Popen(
            words,
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


def _wait_for_exit(process: subprocess.Popen[bytes], on_end: Callable[[int, int], None]) -> None:
    """Wait without reaping if the system can: while it is a zombie, no other process gets its process group id."""
    status = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT) if hasattr(os, "waitid") else None
    if status is None:
        return_code = process.wait()
    else:
        return_code = status.si_status if status.si_code == os.CLD_EXITED else -status.si_status
    on_end(process.pid, return_code)


def find_shell() -> str:
    """Return the shell: bash as on Azure ML, or else /bin/sh."""
    return shutil.which("bash", path="/bin:/usr/bin:/usr/local/bin") or "/bin/sh"
