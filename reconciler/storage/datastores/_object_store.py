"""A datastore in the object store: each path is a named entry that points at a content."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from reconciler.diagnostics import UserError, user_error
from reconciler.model.assets import Json
from reconciler.model.content import Content
from reconciler.model.datastores import DatastoreEntry, Identity
from reconciler.model.object_store import ObjectStore
from reconciler.storage.checked_stream import CheckedStream
from reconciler.storage.manifest import is_safe_relative_path

_BUFFER_BYTES = 1 << 20
_MAX_NAME = 200  # characters in the name of an entry
_PLAIN, _HASHED = "p", "h"  # the first letter of a name that has the path, or its digest if the path is too long
_ESCAPED = re.compile(r"[^A-Za-z0-9.-]")


class ObjectStoreDatastore:
    """The files of a datastore that every workspace has, such as ``workspaceblobstore``.

    What is written is a content of the store, found by its path; files with equal bytes are kept once. A file is
    replaced in one step, once the store has the bytes of the new one.
    """

    ignores_case = False

    def __init__(self, store: ObjectStore, name: str) -> None:
        self._store = store
        self._name = name
        self._group = f"in-{name}"

    @property
    def location(self) -> str:
        return f"azureml://datastores/{self._name}/paths"

    def check(self) -> None:
        self._store.find_id()

    def stat(self, path: str) -> DatastoreEntry:
        self._check_path(path)
        file = self._read(self._entry_name(path)) if path else None
        if file is not None:
            return file[0]
        if not path or next(self._list(path), None) is not None:
            return DatastoreEntry(path, Identity(0), is_folder=True)
        raise self._missing_error(path)

    def list(self, path: str, *, recursive: bool = True) -> Iterator[DatastoreEntry]:
        self._check_path(path)
        if path and self._read(self._entry_name(path)) is not None:
            message = f"{self.location}/{path}: datastore/{self._name} has a file there, and not a folder"
            raise user_error("datastore-not-a-folder", message, "name a folder")
        files = sorted(self._list(path))
        if path and not files:
            raise self._missing_error(path)
        return iter(files if recursive else sorted(self._top_entries(path, files)))

    def open(self, path: str, identity: Identity | None = None) -> BinaryIO:
        entry, content = self._find(path)
        if identity is not None and entry.identity != identity:
            message = f"{self.location}/{path} was {identity}, and is now {entry.identity}"
            raise user_error("datastore-file-changed", message, "register a new version of the data")
        stream = CheckedStream(self._store.open(content.digest), content, f"{self.location}/{path}")
        return io.BufferedReader(stream, _BUFFER_BYTES)

    def is_intact(self, path: str) -> bool:
        """Return True if the store has the bytes that were written to a path; what is unchanged is not read."""
        return not self._store.verify(self._find(path)[1])

    def contents(self) -> Iterator[tuple[str, Content]]:
        """Yield the URI of each file, and its content."""
        for name in self._store.list(f"{self._group}/"):
            if (file := self._read(name)) is not None:
                yield f"{self.location}/{file[0].path}", file[1]

    def write(self, path: str, stream: BinaryIO) -> DatastoreEntry:
        self._check_path(path)
        if not path or next(self._list(path), None) is not None:
            message = f"{self.location}/{path}: datastore/{self._name} has a folder there, and not a file"
            raise user_error("datastore-not-a-file", message, "name a file")
        name = self._entry_name(path)
        content = self._store.put_file(path.rpartition("/")[2], stream)
        modified = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
        data = json.dumps({"path": path, "content": content.to_json(), "modified": modified}).encode()
        self._store.replace(name, data)
        return _entry(path, content, modified)

    def delete(self, path: str) -> None:
        self._check_path(path)
        self._store.delete(self._entry_name(path))

    def _find(self, path: str) -> tuple[DatastoreEntry, Content]:
        self._check_path(path)
        file = self._read(self._entry_name(path)) if path else None
        if file is None:
            raise self._missing_error(path)
        return file

    def _list(self, path: str) -> Iterator[DatastoreEntry]:
        """Yield the files below a folder, in no order."""
        prefix = f"{_PLAIN}{_escape(f'{path}/')}" if path else _PLAIN
        names = self._store.list(f"{self._group}/{prefix}")
        for name in (*names, *self._store.list(f"{self._group}/{_HASHED}")):
            file = self._read(name)
            if file is not None and (not path or file[0].path.startswith(f"{path}/")):
                yield file[0]

    def _top_entries(self, path: str, files: Iterable[DatastoreEntry]) -> Iterator[DatastoreEntry]:
        """Yield the files of a folder and its folders, of all files below it, sorted."""
        start = len(path) + 1 if path else 0
        folders: set[str] = set()
        for file in files:
            name, is_below, _ = file.path[start:].partition("/")
            if not is_below:
                yield file
            elif name not in folders:
                folders.add(name)
                yield DatastoreEntry(file.path[: start + len(name)], Identity(0), is_folder=True)

    def _read(self, name: str) -> tuple[DatastoreEntry, Content] | None:
        data = self._store.read(name)
        if data is None:
            return None
        try:
            document: dict[str, Json] = json.loads(data)
            content = Content.from_json(document["content"])
            return _entry(document["path"], content, document["modified"]), content
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            message = f"the entry {name} of datastore/{self._name} in the object store cannot be read"
            raise user_error(
                "content-corrupt", message, "restore the store from a copy, or remove the entry"
            ) from error

    def _entry_name(self, path: str) -> str:
        escaped = _escape(path)
        if len(escaped) < _MAX_NAME:
            return f"{self._group}/{_PLAIN}{escaped}"
        return f"{self._group}/{_HASHED}{hashlib.sha256(path.encode()).hexdigest()}"

    def _check_path(self, path: str) -> None:
        if path and not is_safe_relative_path(path):
            raise user_error("path-outside", f"'{path}' is not a path within {self.location}", "use a relative path")

    def _missing_error(self, path: str) -> UserError:
        message = f"{self.location}/{path}: datastore/{self._name} has no such path"
        return user_error("datastore-path-missing", message, "correct the path")


def _entry(path: str, content: Content, modified: str) -> DatastoreEntry:
    return DatastoreEntry(path, Identity(content.size, content.digest, modified))


def _escape(path: str) -> str:
    """Return a path in the letters of an entry; the escape of a beginning is the beginning of the escape."""
    return _ESCAPED.sub(lambda match: "".join(f"_{byte:02X}" for byte in match[0].encode()), path)
