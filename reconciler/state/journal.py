"""A write-ahead journal of the applies of this clone: a line is on the disk before the effect that it announces.

It makes recovery quicker and names the applies that were interrupted. Recovery does not depend on it: the state and
the locks have all that is needed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.model import Json
from reconciler.private_files import make_private_folder

STARTED_EVENT, ENDED_EVENT = "begun", "ended"
_MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Journal:
    """A file of JSON lines."""

    path: Path

    def append(self, entry: Mapping[str, Json]) -> None:
        """Add a line; when this returns it is on the disk."""
        make_private_folder(self.path.parent)
        line = json.dumps(entry, ensure_ascii=False, sort_keys=True) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, b"\n" * self._is_torn() + line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def entries(self) -> Iterator[Mapping[str, Json]]:
        """Yield the lines that are complete; a line that a crash has cut off is skipped."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return
        for line in raw.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry

    def interrupted_applies(self) -> dict[str, Mapping[str, Json]]:
        """Return by holder the applies that began in this clone and did not end."""
        interrupted: dict[str, Mapping[str, Json]] = {}
        for entry in self.entries():
            if entry.get("event") == STARTED_EVENT:
                interrupted[str(entry.get("holder"))] = entry
            elif entry.get("event") == ENDED_EVENT:
                interrupted.pop(str(entry.get("holder")), None)
        return interrupted

    def trim(self) -> None:
        """Delete the file if it has grown and no apply in it is unfinished."""
        if self.path.exists() and self.path.stat().st_size > _MAX_BYTES and not self.interrupted_applies():
            self.path.unlink(missing_ok=True)

    def _is_torn(self) -> bool:
        try:
            with self.path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read(1) != b"\n"
        except OSError:  # it does not exist yet, or is empty
            return False
