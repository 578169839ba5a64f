"""How the processes of a run of the backend `local` are ended: its supervisor, its command, and what that started.

Whether a supervisor is alive shows in a file lock that it inherits, not in a process id: the kernel releases the lock
with the process, and no other process can be mistaken for it. The command holds a second lock, so that a command
whose supervisor was killed is still found.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from reconciler.diagnostics import user_error
from reconciler.model import Json
from reconciler.runner.descendants import find_marked, send_signal
from reconciler.runner.files import read_json_object
from reconciler.runner.locks import is_locked
from reconciler.runner.process import COMMAND_FILE
from reconciler.runner.queue import COMMAND_LOCK, SUPERVISOR_FILE, SUPERVISOR_LOCK

SPEC_FILE = "spec.json"
_PROC = Path("/proc")
_POLL_SECONDS = 0.05
_CANCEL_TIMEOUT_SECONDS = 30.0


def end_processes(run: str, folder: Path) -> bool:
    """End all processes of a run, its supervisor first; return True if there were any."""
    supervisor, command = folder / SUPERVISOR_LOCK, folder / COMMAND_LOCK
    was_running = is_locked(supervisor) or is_locked(command) or bool(find_marked(folder))
    _signal_until_ended(run, partial(is_locked, supervisor), lambda: _terminate_supervisor(folder))
    _signal_until_ended(run, partial(is_locked, command), lambda: _kill_command(folder))
    _signal_until_ended(
        run, lambda: bool(find_marked(folder)), lambda: send_signal(find_marked(folder), signal.SIGKILL)
    )
    return was_running


def _terminate_supervisor(folder: Path) -> None:
    """Ask a supervisor to stop; the token file has it if the submitter was killed before it wrote it."""
    spec = read_json_object(folder / SPEC_FILE)
    process = read_json_object(folder / SUPERVISOR_FILE) or (
        read_json_object(Path(str(spec.get("token_file")))) if spec else None
    )
    supervisor = _process_number(process, "pid")
    if supervisor is not None and _has_open(supervisor, folder / SUPERVISOR_LOCK):
        send_signal((supervisor,), signal.SIGTERM)


def _kill_command(folder: Path) -> None:
    """Kill the processes of a run that its supervisor has left, in whatever session they are."""
    pgid = _process_number(read_json_object(folder / COMMAND_FILE), "pgid")
    if pgid is not None and any(_has_open(process, folder / COMMAND_LOCK) for process in _group_members(pgid)):
        with suppress(ProcessLookupError):
            os.killpg(pgid, signal.SIGKILL)
    send_signal(find_marked(folder), signal.SIGKILL)


def _group_members(pgid: int) -> Iterator[int]:
    """Yield the processes of a process group; its first one where the system does not list them."""
    if not _PROC.is_dir():
        yield pgid
    for path in _PROC.iterdir() if _PROC.is_dir() else ():
        with suppress(ValueError, ProcessLookupError):
            if os.getpgid(int(path.name)) == pgid:
                yield int(path.name)


def _has_open(process: int, path: Path) -> bool:
    """Return True if a process has a file open: a number that was noted may be that of another process by now.

    It counts as having it where the system does not tell.
    """
    if not _PROC.is_dir():
        return True
    with suppress(OSError):  # it has ended, or belongs to another user
        status = path.stat()
        return any(os.path.samestat(status, file.stat()) for file in (_PROC / str(process) / "fd").iterdir())
    return False


def _process_number(document: Mapping[str, Json] | None, name: str) -> int | None:
    """Return the number of a process in a document; None if it has none that could be one of a run."""
    number = (document or {}).get(name)
    return number if isinstance(number, int) and number > 1 else None


def _signal_until_ended(run: str, is_running: Callable[[], bool], signal_processes: Callable[[], None]) -> None:
    """Signal processes as long as they, or what holds their lock, are running."""
    deadline = time.monotonic() + _CANCEL_TIMEOUT_SECONDS
    while is_running():
        if time.monotonic() > deadline:
            message = f"run {run} has not stopped within {_CANCEL_TIMEOUT_SECONDS:.0f} s"
            raise user_error("cancel-failed", message, "look for its processes with ps, then run the command again")
        signal_processes()
        time.sleep(_POLL_SECONDS)
