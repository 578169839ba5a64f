"""The folder that a download is written to before it is complete, and what of it is whole.

After a cut the folder stays, and the same download goes on with the files that it lacks. A list, which is elsewhere so
that no repository can bring one along, has what each whole file was read from and its md5: a file of another source, or
with other bytes, is read again.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from reconciler.diagnostics import user_error
from reconciler.regular_files import open_regular_file
from reconciler.storage.digests import Digests, compute_digests

_HIDDEN_PREFIX = ".mlgit-"


class FinishedFile(NamedTuple):
    """What a file was read from, such as an ETag, and the md5 of its bytes."""

    source: str
    md5: str


class PartialDownload:
    """The files of a download so far; one without a list is in a folder of its own, of which nothing is kept."""

    def __init__(self, target: Path, list_file: Path | None, *, is_new: bool) -> None:
        name = f"{_HIDDEN_PREFIX}{list_file.stem if list_file else uuid.uuid4().hex}"
        self._target = target
        self.folder = target.with_name(name) if is_new else target / name
        self._list = list_file
        self._mutex = threading.Lock()
        self._finished = _read_list(list_file) if list_file else {}

    def known_md5(self, path: str, source: str) -> str:
        """Return the md5 of a file that was read whole from this source before; "" if it was not."""
        finished = self._finished.get(path)
        return finished.md5 if finished and source and finished.source == source else ""

    def find(self, path: str, md5: str) -> Digests | None:
        """Return the digests of a file that is whole, None if it has to be read."""
        if path not in self._finished:
            return None
        with suppress(OSError), open_regular_file(self.folder / path) as stream:
            digests = compute_digests(stream)
            return digests if digests.md5 == md5 else None
        return None

    def add(self, path: str, source: str, md5: str) -> None:
        """Note that a file is whole; no end of this process takes that away."""
        if self._list is None or not source:
            return
        with self._mutex:
            with self._list.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps([path, source, md5]) + "\n")
            self._finished[path] = FinishedFile(source, md5)

    @contextmanager
    def open_folder(self) -> Iterator[Path]:
        """Make the folder; afterwards it is removed, unless the block ended early with whole files in it.

        Parents that were not there before are removed with it. Raises OSError, and UserError ``download-active`` if
        another process is at the same download.
        """
        with self._locked():
            missing_parents = [parent for parent in self.folder.parents if not parent.exists()]
            is_complete = False
            try:
                if self.folder.is_symlink():
                    self.folder.unlink()
                self.folder.mkdir(parents=True, exist_ok=self._list is not None)
                yield self.folder
                is_complete = True
            except OSError as error:
                error.filename = str(error.filename or self._target).replace(str(self.folder), str(self._target))
                error.filename2 = None
                raise
            finally:
                if is_complete or not self._finished:
                    self._remove(missing_parents)

    def _remove(self, missing_parents: list[Path]) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._list is not None:
            self._list.unlink(missing_ok=True)
        for parent in missing_parents:
            with suppress(OSError):  # it is not empty
                parent.rmdir()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._list is None:
            yield
            return
        self._list.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._list, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"another process brings the same files to {self._target}"
                raise user_error("download-active", message, "wait until it has ended") from None
            yield
        finally:
            os.close(descriptor)


def _read_list(path: Path) -> dict[str, FinishedFile]:
    """Return what a list has; a line that was cut is left out."""
    finished: dict[str, FinishedFile] = {}
    with suppress(OSError):
        for line in path.read_text("utf-8", "replace").splitlines():
            with suppress(ValueError, TypeError):
                file_path, source, md5 = json.loads(line)
                finished[file_path] = FinishedFile(source, md5)
    return finished
