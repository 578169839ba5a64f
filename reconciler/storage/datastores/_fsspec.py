"""Datastores on file systems of fsspec: what those of `_folders` and of `_objects` share."""

from __future__ import annotations

import datetime as dt
import io
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from fsspec import AbstractFileSystem

from reconciler.diagnostics import UserError, user_error
from reconciler.model.datastores import DatastoreEntry, Identity
from reconciler.storage.datastores._causes import CHANGED, NO_CONTAINER, NO_FILE, NO_FOLDER, NO_PATH
from reconciler.storage.datastores._errors import Place, explain_error, find_cause, is_transient, make_error
from reconciler.storage.datastores._streams import CHUNK_SIZE, DatastoreStream, SourceError
from reconciler.storage.manifest import is_safe_relative_path

NO_CACHE: Mapping[str, bool] = {"skip_instance_cache": True, "use_listings_cache": False}
"""What every file system is opened with: a datastore always says what the service has now."""

FOLDER, FILE = "directory", "file"
"""The types of entries, as fsspec calls them."""

Connect = Callable[[], AbstractFileSystem]


class FsspecDatastore(ABC):
    """The files below a root of a file system, which is opened when it is used first, and again after it was cut."""

    ignores_case = False

    def __init__(self, place: Place, connect: Connect, root: str) -> None:
        self._place = place
        self._connect = connect
        self._root = root.rstrip("/")
        self._lock = threading.Lock()
        self._opened: AbstractFileSystem | None = None

    @property
    def location(self) -> str:
        return self._place.location

    def check(self) -> None:
        with self._explained(""):
            self._check_root(self._filesystem())

    def stat(self, path: str) -> DatastoreEntry:
        full_path = self._full_path(path)
        with self._explained(path):
            return self._entry(path, self._info(full_path))

    def list(self, path: str, *, recursive: bool = True) -> Iterator[DatastoreEntry]:
        full_path = self._full_path(path)
        with self._explained(path):
            entries = [self._entry(found, info) for found, info in self._list(full_path, recursive=recursive)]
            if not entries or entries[0].path == path:
                self._check_folder(path)
                entries = []
        if recursive:
            entries = [entry for entry in entries if not entry.is_folder]
        return iter(sorted(entries))

    def open(self, path: str, identity: Identity | None = None) -> BinaryIO:
        full_path = self._full_path(path)
        with self._explained(path):
            file, found = self._open(path, full_path)
        stream = io.BufferedReader(
            DatastoreStream(file, lambda: self._explained(path), lambda: self._check_end(path, found)), CHUNK_SIZE
        )
        if identity is not None and found != identity:
            stream.close()
            message = f"{self._place.uri(path)} was {identity}, and is now {found}"
            raise user_error(CHANGED.code, message, CHANGED.hint)
        return stream

    def write(self, path: str, stream: BinaryIO) -> DatastoreEntry:
        full_path = self._full_path(path)
        if not path:
            raise make_error(NO_FILE, self._place, path)
        with self._explained(path):
            info = self._write(full_path, stream)
            return self._entry(path, info or self._info(full_path))

    def delete(self, path: str) -> None:
        full_path = self._full_path(path)
        with self._explained(path):
            try:
                self._filesystem().rm_file(full_path)
            except Exception as error:
                if find_cause(error, self._place) is not NO_PATH:
                    raise

    # What the two forms do in ways of their own.

    def _check_root(self, filesystem: AbstractFileSystem) -> None:
        filesystem.info(self._root)

    def _info(self, full_path: str) -> Mapping[str, Any]:
        info: Mapping[str, Any] = self._filesystem().info(full_path)
        return info

    @abstractmethod
    def _list(self, full_path: str, *, recursive: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield what is below a folder, by relative path; the file itself if the path is that of a file."""

    @abstractmethod
    def _open(self, path: str, full_path: str) -> tuple[BinaryIO, Identity]:
        """Return the bytes of a file, and what the service says of it."""

    @abstractmethod
    def _write(self, full_path: str, stream: BinaryIO) -> Mapping[str, Any] | None:
        """Write a file; return what the service says of it, None if it has to be asked."""

    def _check_end(self, path: str, identity: Identity) -> None:  # noqa: B027 - most services see to it themselves
        """Raise UserError if a file changed while it was read."""

    # What they share.

    def _filesystem(self) -> AbstractFileSystem:
        with self._lock:
            if self._opened is None:
                self._opened = self._connect()
            return self._opened

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        """Make an error for people of whatever the driver raises, without the driver's own as its cause.

        A traceback of the driver could have values of secrets in it.
        """
        try:
            yield
        except UserError:
            raise
        except SourceError as error:
            raise error.__cause__ or error from None
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise self._explain(error, path) from None

    def _explain(self, error: Exception, path: str) -> UserError:
        if is_transient(error, self._place):
            with self._lock:
                self._opened = None
        if find_cause(error, self._place) is NO_PATH and (not path or self._is_root_missing()):
            return make_error(NO_CONTAINER, self._place, "")
        return explain_error(error, self._place, path)

    def _is_root_missing(self) -> bool:
        try:
            self._check_root(self._filesystem())
        except Exception as error:  # noqa: BLE001 - any other error is not about the root
            return find_cause(error, self._place) in {NO_PATH, NO_CONTAINER}
        return False

    def _check_folder(self, path: str) -> None:
        if not path:
            self._check_root(self._filesystem())
        elif not self._entry(path, self._info(self._full_path(path))).is_folder:
            raise make_error(NO_FOLDER, self._place, path)

    def _full_path(self, path: str) -> str:
        if path and not is_safe_relative_path(path):
            raise user_error("path-outside", f"'{path}' is not a path within {self.location}", "use a relative path")
        return f"{self._root}/{path}" if path else self._root or "/"

    def _relative_path(self, full_path: str) -> str:
        """Return a path that a service lists, as one of the datastore.

        Raises UserError ``path-outside`` for a name that no folder can have, which only stores of objects allow.
        """
        path = full_path.removeprefix(self._root).removeprefix("/")
        if path and not is_safe_relative_path(path):
            raise user_error("path-outside", f"{self.location} has a file '{path}', which is no path", "rename it")
        return path

    def _entry(self, path: str, info: Mapping[str, Any]) -> DatastoreEntry:
        if info["type"] == FOLDER:
            return DatastoreEntry(path, Identity(0), is_folder=True)
        return DatastoreEntry(path, _identity(info))


def _identity(info: Mapping[str, Any]) -> Identity:
    etag = str(info.get("etag") or info.get("ETag") or "").strip('"')
    modified = info.get("mtime") or info.get("last_modified") or info.get("LastModified")
    if isinstance(modified, int | float):
        modified = dt.datetime.fromtimestamp(modified, dt.UTC)
    elif milliseconds := info.get("modificationTime"):
        modified = dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
    if isinstance(modified, dt.datetime):
        modified = modified.astimezone(dt.UTC)
        # Where there are ETags, one request has fractions of seconds and another has not.
        modified = modified.replace(microsecond=0) if etag else modified
    text = modified.isoformat() if isinstance(modified, dt.datetime) else ""
    return Identity(int(info["size"]), etag, text)
