"""Files on disk, for validating and formatting without a Git repository."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.diagnostics import user_error
from reconciler.format.path_content import replace_invalid_utf8
from reconciler.format.yaml import MAX_BYTES, split_source_lines
from reconciler.model import PathProblem
from reconciler.regular_files import read_descriptor
from reconciler.source.rooted_files import IS_FILE, IS_FOLDER, MISSING, RootedFiles
from reconciler.source.roots import RealFolders, Root, named_roots

STDIN = "-"
YAML_SUFFIXES = (".yml", ".yaml")
USABLE = frozenset({IS_FILE, IS_FOLDER})  # what can be at a path that exists
_MIN_AGE_NS = 2_000_000_000  # nanoseconds


@dataclass(frozen=True, slots=True)
class DiskFiles:
    """Files by path from a folder; ``in_memory_files`` holds those of other origin, such as stdin.

    What is outside of the roots is never read: it is a problem of the path. The root is by default the repository or
    the workspace that the folder is in, else the folder.
    """

    top: Path
    in_memory_files: dict[str, bytes]
    roots: tuple[Root, ...] = ()
    real_folders: RealFolders = field(default_factory=RealFolders, repr=False, compare=False)
    rooted: RootedFiles = field(init=False)

    def __post_init__(self) -> None:
        """Find the root by default."""
        rooted = RootedFiles(self.top, self.roots or named_roots(self.top, ()), self.real_folders)
        object.__setattr__(self, "rooted", rooted)

    def read_file(self, path: str) -> bytes:
        """Return the content of a file, cut off beyond the size limit; empty if the path is no file to be read."""
        try:
            return self.read_with_stamp(path)[0]
        except OSError:
            return b""

    def read_with_stamp(self, path: str) -> tuple[bytes, str]:
        """Return the content of a file, and the stamp that it had before it was read. Raise OSError if it has none."""
        if path in self.in_memory_files:
            return self.in_memory_files[path], ""
        descriptor = self.rooted.open_file(path)
        try:
            stamp = _stamp_of(os.fstat(descriptor))
            return read_descriptor(descriptor, MAX_BYTES), stamp
        finally:
            os.close(descriptor)

    def stamp(self, path: str) -> str:
        """Return a text that changes when the file changes; "" if none can be relied on."""
        try:
            return "" if path in self.in_memory_files else _stamp_of(self.rooted.status(path))
        except OSError:
            return ""

    def exists(self, path: str) -> bool:
        """Return True if there is a file or a folder at the path that can be used."""
        return self.kind_of(path) in USABLE

    def kind_of(self, path: str) -> str:
        """Return what there is at a path, as `RootedFiles.kind_of`."""
        return IS_FILE if path in self.in_memory_files else self.rooted.kind_of(path)

    def path_problem(self, path: str, *, must_be_file: bool = False) -> PathProblem | None:
        """Return why what is at a path cannot be used; None if it can be, or if there is nothing."""
        if path in self.in_memory_files:
            return None
        kind, problem = self.rooted.inspect(path)
        if must_be_file and kind == IS_FOLDER:
            return PathProblem("not-a-file", self.display_path(path), "is a folder", "name a file")
        return problem._replace(subject=self.display_path(problem.subject)) if problem else None

    def display_path(self, path: str) -> str:
        """Return a path as it was given, with invalid UTF-8 replaced."""
        return replace_invalid_utf8(path)

    def open_after_fork(self) -> DiskFiles:
        """Return the files for a forked process, which can use the same."""
        return self

    def read_lines(self, path: str) -> Sequence[str]:
        """Return the lines of a file for a code frame; none if it does not exist or is longer than a file may be."""
        return split_source_lines(self.read_file(path))


def _stamp_of(status: os.stat_result) -> str:
    """Return inode, size and times of a file; "" if it is younger than 2 s, as its times are too coarse to rely on."""
    is_young = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _MIN_AGE_NS
    return "" if is_young else f"{status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def expand_paths(rooted: RootedFiles, paths: Sequence[str]) -> Iterator[str]:
    """Yield the files that paths name, and the YAML files in the folders that paths name.

    Raise UserError ``path-unknown`` if there is neither, ``path-outside`` or ``link-outside`` for a path that leads out
    of the roots.
    """
    for path in paths:
        if path == STDIN or rooted.is_file(path):
            yield path
            continue
        kind = rooted.kind_of(path)
        if kind == IS_FOLDER:
            yield from _walk_yaml_files(rooted.top, path)
        elif kind == MISSING:
            hint = "paths are relative to the current folder"
            raise user_error("path-unknown", f"there is no file or folder {path}", hint)
        elif kind in {"path-outside", "link-outside"}:
            hint = "run mlgit in the folder of the file" if kind == "path-outside" else "name the target of the link"
            raise user_error(kind, str(rooted.find_problem(path)), hint)
        else:
            yield path


def _walk_yaml_files(top: Path, folder: str) -> Iterator[str]:
    """Yield the YAML files below a folder, except in hidden folders; paths begin with the folder as it was given."""
    start = str(top / folder)
    prefix = "" if folder in {".", "./"} else f"{folder.rstrip('/')}/"
    for current, folders, names in os.walk(start):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = prefix + (f"{os.path.relpath(current, start)}/" if current != start else "")
        yield from (f"{below}{name}" for name in sorted(names) if name.lower().endswith(YAML_SUFFIXES))
