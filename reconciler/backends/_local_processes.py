"""The processes of a run of the backend `local`: the supervisor, the command, and how they are ended.

Whether a supervisor is alive shows in a file lock that it inherits, not in a process id: the kernel releases the lock
with the process, and no other process can be mistaken for it. The command holds a second lock, so that a command
whose supervisor was killed is still found.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from reconciler.diagnostics import user_error
from reconciler.model import Json
from reconciler.private_files import touch_private_file
from reconciler.runner.descendants import find_marked, send_signal
from reconciler.runner.environment import allowed_variables
from reconciler.runner.files import read_json_object
from reconciler.runner.process import COMMAND_FILE

SPEC_FILE, SUPERVISOR_FILE = "spec.json", "supervisor.json"
SUPERVISOR_LOCK, COMMAND_LOCK = "alive.lock", "child.lock"
_POLL_SECONDS = 0.05
_CANCEL_TIMEOUT_SECONDS = 30.0


def start_supervisor(folder: Path) -> int:
    """Start the supervisor in a session of its own and return its process id.

    It gets none of the caller's secrets: a job can read the environment that its parent was started with.
    """
    command = [sys.executable, "-I", str(folder / "runner.pyz"), str(folder / SPEC_FILE)]
    touch_private_file(folder / "supervisor.log")
    with (folder / "supervisor.log").open("ab") as log:
        file_actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
        ]
        variables = allowed_variables(os.environ)
        return os.posix_spawn(sys.executable, command, variables, file_actions=file_actions, setsid=True)


@contextmanager
def inheritable_lock(path: Path) -> Iterator[int]:
    """Yield a locked file descriptor for a process to inherit; that process keeps the lock when it is closed here."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.set_inheritable(descriptor, True)
        yield descriptor
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Return True if a living process holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError:  # there is none, or something else in its place
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared, so that two checks do not see each other
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def end_processes(run: str, folder: Path) -> bool:
    """End all processes of a run, its supervisor first; return True if there were any."""
    supervisor, command = folder / SUPERVISOR_LOCK, folder / COMMAND_LOCK
    was_running = is_locked(supervisor) or is_locked(command) or bool(find_marked(folder))
    _signal_until_ended(
        run, partial(is_locked, supervisor), lambda: _supervisor_pid(folder), lambda pid: os.kill(pid, signal.SIGTERM)
    )
    _signal_until_ended(
        run, partial(is_locked, command), lambda: _command_pgid(folder), lambda pgid: _kill_processes(folder, pgid)
    )
    _signal_until_ended(run, lambda: bool(find_marked(folder)), lambda: 0, lambda _: _kill_processes(folder))
    return was_running


def _supervisor_pid(folder: Path) -> int | None:
    """Return the process id of a supervisor; the token file has it if the submitter was killed before it wrote it."""
    spec = read_json_object(folder / SPEC_FILE)
    process = read_json_object(folder / SUPERVISOR_FILE) or (
        read_json_object(Path(str(spec.get("token_file")))) if spec else None
    )
    return _process_number(process, "pid")


def _command_pgid(folder: Path) -> int | None:
    """Return the process group of a command."""
    return _process_number(read_json_object(folder / COMMAND_FILE), "pgid")


def _process_number(document: Mapping[str, Json] | None, name: str) -> int | None:
    """Return the number of a process in a document; None if it has none that could be one of a run."""
    number = (document or {}).get(name)
    return number if isinstance(number, int) and number > 1 else None


def _kill_processes(folder: Path, pgid: int | None = None) -> None:
    """Kill the processes of a run that its supervisor has left, in whatever session they are."""
    if pgid is not None:
        with suppress(ProcessLookupError):
            os.killpg(pgid, signal.SIGKILL)
    send_signal(find_marked(folder), signal.SIGKILL)


def _signal_until_ended(
    run: str, is_running: Callable[[], bool], find_process: Callable[[], int | None], signal_it: Callable[[int], None]
) -> None:
    """Signal a process as long as it, or what holds its lock, is running."""
    deadline = time.monotonic() + _CANCEL_TIMEOUT_SECONDS
    while is_running():
        if time.monotonic() > deadline:
            message = f"run {run} has not stopped within {_CANCEL_TIMEOUT_SECONDS:.0f} s"
            raise user_error("cancel-failed", message, "look for its processes with ps, then run the command again")
        process = find_process()
        if process is not None:
            with suppress(ProcessLookupError):  # it ended by itself meanwhile
                signal_it(process)
        time.sleep(_POLL_SECONDS)
