"""Files on disk, for validating and formatting without a Git repository."""

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
YAML_SUFFIXES = (".yml", ".yaml")
_MIN_AGE_NS = 2_000_000_000  # nanoseconds


@dataclass(frozen=True, slots=True)
class DiskFiles:
    """Files below a folder, by path from it; ``in_memory_files`` holds those of other origin, such as stdin."""

    top: Path
    in_memory_files: dict[str, bytes]

    def read_file(self, path: str) -> bytes:
        """Return the content of a file, cut off beyond the size limit; empty if the path is not a regular file."""
        return self.read_with_stamp(path)[0]

    def read_with_stamp(self, path: str) -> tuple[bytes, str]:
        """Return the content of a file, and the stamp that it had before it was read."""
        if path in self.in_memory_files:
            return self.in_memory_files[path], ""
        descriptor = os.open(self._absolute_path(path), os.O_RDONLY | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            raw = _read_content(descriptor, status.st_size) if stat.S_ISREG(status.st_mode) else b""
            return raw, _stamp_of(status)
        finally:
            os.close(descriptor)

    def stamp(self, path: str) -> str:
        """Return a text that changes when the file changes; "" if none can be relied on."""
        try:
            return "" if path in self.in_memory_files else _stamp_of(os.stat(self._absolute_path(path)))  # noqa: PTH116 - called for thousands of files
        except OSError:
            return ""

    def exists(self, path: str) -> bool:
        """Return True if there is a file or a folder at the path."""
        return path in self.in_memory_files or os.path.exists(self._absolute_path(path))  # noqa: PTH110 - four times quicker

    def _absolute_path(self, path: str) -> str:
        return os.path.join(self.top, path)  # noqa: PTH118 - called for thousands of files

    def display_path(self, path: str) -> str:
        """Return a path as it was given, with invalid UTF-8 replaced."""
        return replace_invalid_utf8(path)

    def open_after_fork(self) -> DiskFiles:
        """Return the files for a forked process, which can use the same."""
        return self

    def read_lines(self, path: str) -> Sequence[str]:
        """Return the lines of a file for a code frame; none if it does not exist."""
        return self.read_file(path).decode("utf-8", "replace").splitlines() if self.exists(path) else ()


def _stamp_of(status: os.stat_result) -> str:
    """Return inode, size and times of a file; "" if it is younger than 2 s, as its times are too coarse to rely on."""
    is_young = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _MIN_AGE_NS
    return "" if is_young else f"{status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _read_content(descriptor: int, size: int) -> bytes:
    """Read a file of about that size to its end, or to the size limit."""
    raw = os.read(descriptor, min(size, MAX_BYTES) + 1)
    while size < len(raw) <= MAX_BYTES and (chunk := os.read(descriptor, MAX_BYTES + 1 - len(raw))):
        raw += chunk  # the file grew, or does not report its size, as those of /proc
    return raw


def expand_paths(top: Path, paths: Iterable[str]) -> Iterator[str]:
    """Yield the files that paths name, and the YAML files in the folders that paths name.

    Raise UserError ``path-unknown`` if there is neither.
    """
    for path in paths:
        absolute = os.path.join(top, path)  # noqa: PTH118 - called for thousands of paths
        if path == STDIN or os.path.isfile(absolute):  # noqa: PTH113 - the same
            yield path
        elif os.path.isdir(absolute):  # noqa: PTH112 - the same
            yield from _walk_yaml_files(top, path)
        else:
            hint = "paths are relative to the current folder"
            raise user_error("path-unknown", f"there is no file or folder {path}", hint)


def _walk_yaml_files(top: Path, folder: str) -> Iterator[str]:
    """Yield the YAML files below a folder, except in hidden folders; paths begin with the folder as it was given."""
    start = str(top / folder)
    prefix = "" if folder in {".", "./"} else f"{folder.rstrip('/')}/"
    for current, folders, names in os.walk(start):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = prefix + (f"{os.path.relpath(current, start)}/" if current != start else "")
        yield from (f"{below}{name}" for name in sorted(names) if name.lower().endswith(YAML_SUFFIXES))
