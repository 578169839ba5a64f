"""The processes of a run, whatever session they are in: the descendants of the runner, and those that bear its mark.

On Linux the runner adopts the orphans of its command, so a process that detaches itself stays a descendant. After the
runner was killed, the processes of its run are found by a variable of their environment. Elsewhere only those are found
whose ancestors are alive.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

MARK_VARIABLE, INSTANCE_VARIABLE = "MLGIT_RUN_FOLDER", "MLGIT_RUN_INSTANCE"
_PROC = Path("/proc")
_PR_SET_CHILD_SUBREAPER = 36
_POLL_SECONDS, _KILL_SECONDS = 0.02, 10.0


def adopt_orphans() -> None:
    """Become the parent of every descendant whose parent ends, where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans(commands: Collection[int]) -> None:
    """Remove the entries of adopted processes that have ended; those of the commands stay."""
    if not hasattr(os, "waitid"):
        return
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid not in commands:
            os.waitpid(ended.si_pid, 0)


def find_descendants(ancestor: int) -> tuple[int, ...]:
    """Return the living descendants of a process."""
    children: dict[int, list[int]] = {}
    for process, parent in _list_parents():
        children.setdefault(parent, []).append(process)
    descendants: list[int] = []
    parents = [ancestor]
    while parents:
        found_children = children.get(parents.pop(), [])
        descendants += found_children
        parents += found_children
    return tuple(descendants)


def find_marked(folder: Path, *more: str, variable: str = MARK_VARIABLE) -> tuple[int, ...]:
    """Return the living processes of the run in a folder, by the mark in the environment they were started with.

    Only those count that were started with ``more`` variables, each as ``NAME=VALUE``. Another ``variable`` is the
    mark of what is no run.
    """
    marks = {os.fsencode(mark) for mark in (f"{variable}={folder}", *more)}
    return tuple(
        int(path.name)
        for path in _process_folders()
        if marks.issubset(_read(path / "environ").split(b"\0")) and _state_and_parent(path)[0] != "Z"
    )


def is_living(process: int) -> bool:
    """Return True if there is a process with an id that has not ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _PROC.is_dir() or _state_and_parent(_PROC / str(process))[0] not in ("", "Z")


def send_signal(processes: Iterable[int], number: int) -> None:
    """Signal processes; those that have ended meanwhile are left out, and those of others."""
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def kill_descendants(number: int, deadline: float) -> None:
    """Signal all descendants of this process until there are none; no child may be waited for elsewhere.

    A process without children has none: the processes of a machine, which can be many, are not looked through then.
    """
    while _has_children() and (processes := find_descendants(os.getpid())) and time.monotonic() < deadline:
        send_signal(processes, number)
        time.sleep(_POLL_SECONDS)
        reap_orphans(commands=())


def _has_children() -> bool:
    """Return True if this process has children, or the system does not tell; those that have ended count."""
    if not hasattr(os, "waitid"):
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def kill_marked(folder: Path, *more: str) -> bool:
    """Kill the processes of the run in a folder, by their mark; return False if some do not end within seconds."""
    deadline = time.monotonic() + _KILL_SECONDS
    while processes := find_marked(folder, *more):
        if time.monotonic() > deadline:
            return False
        send_signal(processes, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    return True


def _list_parents() -> Iterator[tuple[int, int]]:
    """Yield the id of each living process, and that of its parent."""
    if not _PROC.is_dir():
        with subprocess.Popen(["ps", "-axo", "pid=,ppid="], stdout=subprocess.PIPE, text=True) as listing:
            lines = listing.communicate()[0].splitlines()
        pairs = (map(int, line.split()) for line in lines)
        yield from ((process, parent) for process, parent in pairs if process != listing.pid)
        return
    for path in _process_folders():
        state, parent = _state_and_parent(path)
        if state not in ("", "Z"):
            yield int(path.name), parent


def _process_folders() -> Iterator[Path]:
    if _PROC.is_dir():
        yield from (path for path in _PROC.iterdir() if path.name.isdecimal())


def _state_and_parent(path: Path) -> tuple[str, int]:
    """Return the state of a process and the id of its parent; "" if it has ended."""
    fields = _read(path / "stat").rpartition(b")")[2].split()
    return (fields[0].decode(), int(fields[1])) if fields else ("", 0)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended, or belongs to another user
        return b""
