"""Files of the disk, for validating what no Git repository needs to hold."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.diagnostics import failure
from reconciler.format.behind import legible
from reconciler.format.yaml import MAX_BYTES

STDIN = "-"
_YAML = (".yml", ".yaml")
_YOUNG = 2_000_000_000  # nanoseconds


@dataclass(frozen=True, slots=True)
class DiskFiles:
    """Files below a folder, by path from it; ``given`` holds what came in another way, such as standard input."""

    top: Path
    given: dict[str, bytes]

    def file(self, path: str) -> bytes:
        """Read a file, or as much of it as is needed to see that it is too large. What is no file is empty."""
        return self.stamped(path)[0]

    def stamped(self, path: str) -> tuple[bytes, str]:
        """Read a file, and return with it the stamp that it had before."""
        if path in self.given:
            return self.given[path], ""
        descriptor = os.open(self._at(path), os.O_RDONLY | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            return (_whole(descriptor, found.st_size) if stat.S_ISREG(found.st_mode) else b""), _stamp(found)
        finally:
            os.close(descriptor)

    def stamp(self, path: str) -> str:
        """Return a mark of a file that is another one once the file has changed; "" where none can be relied on."""
        try:
            return "" if path in self.given else _stamp(os.stat(self._at(path)))  # noqa: PTH116 - asked for thousands of times
        except OSError:
            return ""

    def exists(self, path: str) -> bool:
        """Tell whether a file or a folder stands at the path."""
        return path in self.given or os.path.exists(self._at(path))  # noqa: PTH110 - four times quicker

    def _at(self, path: str) -> str:
        return os.path.join(self.top, path)  # noqa: PTH118 - asked for thousands of times

    def shown(self, path: str) -> str:
        """Write a path as it was given, as far as it is text."""
        return legible(path)

    def lines(self, path: str) -> Sequence[str]:
        """Return the lines of a file, for showing a place in it; none where its path is not one that can be shown."""
        return self.file(path).decode("utf-8", "replace").splitlines() if self.exists(path) else ()


def _stamp(found: os.stat_result) -> str:
    """Mark what a file is; "" for one that is younger than two seconds: it may change again without a newer time."""
    young = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < _YOUNG
    return "" if young else f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def _whole(descriptor: int, size: int) -> bytes:
    """Read a file of about that size to its end, or to where it is too large."""
    raw = os.read(descriptor, min(size, MAX_BYTES) + 1)
    while size < len(raw) <= MAX_BYTES and (more := os.read(descriptor, MAX_BYTES + 1 - len(raw))):
        raw += more  # it grew, or is one of those whose size nobody knows before they are read
    return raw


def listed(top: Path, paths: Iterable[str]) -> Iterator[str]:
    """Yield the files that paths name: a file itself, of a folder every YAML file in it. A UserError for neither."""
    for path in paths:
        absolute = os.path.join(top, path)  # noqa: PTH118 - thousands of paths come in one call
        if path == STDIN or os.path.isfile(absolute):  # noqa: PTH113 - the same
            yield path
        elif os.path.isdir(absolute):  # noqa: PTH112 - the same
            yield from _below(top, path)
        else:
            raise failure("path-unknown", f"there is no file or folder {path}", "paths count from where you are")


def _below(top: Path, folder: str) -> Iterator[str]:
    """Yield the YAML files below a folder, named as the folder was."""
    start = str(top / folder)
    prefix = "" if folder in {".", "./"} else f"{folder.rstrip('/')}/"
    for at, folders, names in os.walk(start):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        inside = prefix + (f"{os.path.relpath(at, start)}/" if at != start else "")
        yield from (f"{inside}{name}" for name in sorted(names) if name.lower().endswith(_YAML))
