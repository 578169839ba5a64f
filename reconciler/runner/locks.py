"""File locks that tell whether a process is alive, and what it holds: the kernel releases one with its last process.

A lock belongs to an open file, so a process that inherits the file holds the lock with it. No process id and no file
that was left behind decides anything, and no lock outlives a reboot. Who only looks takes a shared lock for a moment:
who takes one checks it first, under a lock that all who take it hold, and then waits for those who look.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_FIRST_DESCRIPTOR = 64  # below it, a runner finds the descriptors that its spec names


@contextmanager
def exclusive_lock(path: Path) -> Iterator[int]:
    """Wait for a lock and hold it inside of the block, and longer in processes that inherit the yielded descriptor."""
    descriptor = _open_lock_file(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def free_lock(path: Path) -> Iterator[int | None]:
    """Hold a lock as `exclusive_lock` does if it is free; else yield None."""
    descriptor = _open_lock_file(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield descriptor
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Return True if a living process holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # there is none, or something else in its place
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared, so that two checks do not see each other
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def find_free(paths: Iterable[Path], count: int) -> Sequence[Path]:
    """Return the first free ones of some locks; none if there are fewer than that."""
    free: list[Path] = []
    for path in paths:
        if len(free) == count:
            break
        if not is_locked(path):
            free.append(path)
    return free if len(free) == count else ()


def release_locks(descriptors: Iterable[int | None]) -> None:
    """Close the descriptors of inherited locks."""
    for descriptor in descriptors:
        if descriptor is not None:
            with suppress(OSError):  # closed already
                os.close(descriptor)


def _open_lock_file(path: Path) -> int:
    """Open a lock file, or make it, with a descriptor that no spec names and no other process inherits by chance."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_DESCRIPTOR)
    finally:
        os.close(descriptor)
