"""Files of the disk, for validating what no Git repository needs to hold."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.diagnostics import failure
from reconciler.format.behind import legible
from reconciler.format.yaml import MAX_BYTES

STDIN = "-"
_YAML = (".yml", ".yaml")


@dataclass(frozen=True, slots=True)
class DiskFiles:
    """Files below a folder, by path from it; ``given`` holds what came in another way, such as standard input."""

    top: Path
    given: dict[str, bytes]

    def file(self, path: str) -> bytes:
        """Read a file, or as much of it as is needed to see that it is too large. What is no file is empty."""
        if path in self.given:
            return self.given[path]
        descriptor = os.open(self._at(path), os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
            return file.read(MAX_BYTES + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""

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
