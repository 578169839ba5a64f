"""A write-ahead journal of the applies of this clone: a line is on the disk before the effect that it announces.

It makes recovery quicker and names the applies that were interrupted. Recovery does not depend on it: the state and
the locks have all that is needed.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.diagnostics import UserError, user_error
from reconciler.model import Json
from reconciler.private_files import make_private_folder
from reconciler.regular_files import check_regular, read_regular_file

STARTED_EVENT, ENDED_EVENT = "begun", "ended"
_MAX_BYTES = 1_000_000
_MAX_READ_BYTES = 20_000_000
_APPEND_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SPACE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REMOVE_HINT = "remove what is in its place and run the command again: nothing depends on the journal"


@dataclass(frozen=True, slots=True)
class Journal:
    """A file of JSON lines."""

    path: Path

    def append(self, entry: Mapping[str, Json]) -> None:
        """Add a line; when this returns it is on the disk. Raise UserError ``journal-unusable`` if it cannot be."""
        line = json.dumps(entry, ensure_ascii=False, sort_keys=True) + "\n"
        try:
            make_private_folder(self.path.parent)
            descriptor = os.open(self.path, _APPEND_FLAGS, 0o600)
            try:
                check_regular(descriptor, self.path)
                os.write(descriptor, b"\n" * self._is_torn() + line.encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._unusable_error(error) from error

    def entries(self) -> Iterator[Mapping[str, Json]]:
        """Yield the lines that are complete; a line that a crash has cut off is skipped."""
        try:
            raw = read_regular_file(self.path, _MAX_READ_BYTES)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not self.path.is_symlink():
                return
            raise self._unusable_error(error) from error  # before a lock is taken
        for line in raw.splitlines():
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
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
        try:
            size = self.path.stat().st_size
        except OSError:
            return  # what is wrong is said when it is read or written
        if size > _MAX_BYTES and not self.interrupted_applies():
            self.path.unlink(missing_ok=True)

    def _is_torn(self) -> bool:
        try:
            with self.path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read(1) != b"\n"
        except OSError:  # it does not exist yet, or is empty
            return False

    def _unusable_error(self, error: OSError) -> UserError:
        message = f"the journal {self.path} cannot be used: {error.strerror}"
        hint = "free some space, or raise `ulimit -f`" if error.errno in _SPACE_ERRNOS else _REMOVE_HINT
        return user_error("journal-unusable", message, hint)
