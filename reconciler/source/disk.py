"""Files of the disk, for validating what no Git repository needs to hold."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.diagnostics import user_error
from reconciler.format.path_content import replace_invalid_utf8
from reconciler.format.yaml import MAX_BYTES

STDIN = "-"
_YAML_SUFFIXES = (".yml", ".yaml")
_MIN_AGE_NS = 2_000_000_000  # nanoseconds


@dataclass(frozen=True, slots=True)
class DiskFiles:
    """Files below a folder, by path from it; ``given`` holds what came in another way, such as standard input."""

    top: Path
    in_memory_files: dict[str, bytes]

    def read_file(self, path: str) -> bytes:
        """Read a file, or as much of it as is needed to see that it is too large. What is no file is empty."""
        return self.read_with_stamp(path)[0]

    def read_with_stamp(self, path: str) -> tuple[bytes, str]:
        """Read a file, and return with it the stamp that it had before."""
        if path in self.in_memory_files:
            return self.in_memory_files[path], ""
        descriptor = os.open(self._absolute_path(path), os.O_RDONLY | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            return (_read_whole(descriptor, found.st_size) if stat.S_ISREG(found.st_mode) else b""), _stamp_of(found)
        finally:
            os.close(descriptor)

    def stamp(self, path: str) -> str:
        """Return a mark of a file that is another one once the file has changed; "" where none can be relied on."""
        try:
            return "" if path in self.in_memory_files else _stamp_of(os.stat(self._absolute_path(path)))  # noqa: PTH116 - asked for thousands of times
        except OSError:
            return ""

    def exists(self, path: str) -> bool:
        """Tell whether a file or a folder stands at the path."""
        return path in self.in_memory_files or os.path.exists(self._absolute_path(path))  # noqa: PTH110 - four times quicker

    def _absolute_path(self, path: str) -> str:
        return os.path.join(self.top, path)  # noqa: PTH118 - asked for thousands of times

    def display_path(self, path: str) -> str:
        """Write a path as it was given, as far as it is text."""
        return replace_invalid_utf8(path)

    def read_lines(self, path: str) -> Sequence[str]:
        """Return the lines of a file, for showing a place in it; none where its path is not one that can be shown."""
        return self.read_file(path).decode("utf-8", "replace").splitlines() if self.exists(path) else ()


def _stamp_of(found: os.stat_result) -> str:
    """Mark what a file is; "" for one that is younger than two seconds: it may change again without a newer time."""
    young = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < _MIN_AGE_NS
    return "" if young else f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def _read_whole(descriptor: int, size: int) -> bytes:
    """Read a file of about that size to its end, or to where it is too large."""
    raw = os.read(descriptor, min(size, MAX_BYTES) + 1)
    while size < len(raw) <= MAX_BYTES and (more := os.read(descriptor, MAX_BYTES + 1 - len(raw))):
        raw += more  # it grew, or is one of those whose size nobody knows before they are read
    return raw


def expand_paths(top: Path, paths: Iterable[str]) -> Iterator[str]:
    """Yield the files that paths name: a file itself, of a folder every YAML file in it. A UserError for neither."""
    for path in paths:
        absolute = os.path.join(top, path)  # noqa: PTH118 - thousands of paths come in one call
        if path == STDIN or os.path.isfile(absolute):  # noqa: PTH113 - the same
            yield path
        elif os.path.isdir(absolute):  # noqa: PTH112 - the same
            yield from _walk_yaml_files(top, path)
        else:
            raise user_error("path-unknown", f"there is no file or folder {path}", "paths count from where you are")


def _walk_yaml_files(top: Path, folder: str) -> Iterator[str]:
    """Yield the YAML files below a folder, named as the folder was."""
    start = str(top / folder)
    prefix = "" if folder in {".", "./"} else f"{folder.rstrip('/')}/"
    for at, folders, names in os.walk(start):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        inside = prefix + (f"{os.path.relpath(at, start)}/" if at != start else "")
        yield from (f"{inside}{name}" for name in sorted(names) if name.lower().endswith(_YAML_SUFFIXES))
