"""How the processes of a run of the backend `local` are ended: its supervisor, its command, and what that started.

Whether a supervisor is alive shows in a file lock that it inherits, not in a process id: the kernel releases the lock
with the process, and no other process can be mistaken for it. The command holds a second lock, so that a command
whose supervisor was killed is still found.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
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
_POLL_SECONDS = 0.05
_CANCEL_TIMEOUT_SECONDS = 30.0


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
