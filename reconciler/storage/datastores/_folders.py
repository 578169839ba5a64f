"""Datastores on file systems with folders: this machine, shares, servers of sftp, HDFS."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from fsspec import AbstractFileSystem

from reconciler.diagnostics import user_error
from reconciler.model.datastores import Identity
from reconciler.storage.datastores._causes import CHANGED, NO_FILE, NO_PATH
from reconciler.storage.datastores._errors import find_cause, make_error
from reconciler.storage.datastores._fsspec import FILE, FOLDER, FsspecDatastore
from reconciler.storage.datastores._streams import copy_source

_PART = re.compile(r"(?:.*/)?\.mlgit-[0-9a-f]{32}\.part")


class FolderDatastore(FsspecDatastore):
    """A datastore on a file system with folders: a file is written under another name and then renamed."""

    def _list(self, full_path: str, *, recursive: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
        # Not ``find`` of fsspec: it leaves out, without a word, what it may not read.
        start = self._info(full_path)
        if start["type"] != FOLDER:
            yield self._relative_path(full_path), start
            return
        pending = [full_path]
        while pending:
            for info in self._filesystem().ls(pending.pop(), detail=True):
                name = str(info["name"]).rstrip("/")
                found = info if info["type"] in {FILE, FOLDER} else self._follow(name)
                if found is None or _PART.fullmatch(name):
                    continue
                yield self._relative_path(name), found
                if recursive and info["type"] == FOLDER:  # not of a link: it could lead back
                    pending.append(name)

    def _follow(self, full_path: str) -> Mapping[str, Any] | None:
        try:
            return self._info(full_path)
        except FileNotFoundError:  # a link that leads nowhere
            return None

    def _open(self, path: str, full_path: str) -> tuple[BinaryIO, Identity]:
        entry = self._entry(path, self._info(full_path))
        if entry.is_folder:
            raise make_error(NO_FILE, self._place, path)
        file: BinaryIO = self._filesystem().open(full_path, "rb")
        return file, entry.identity

    def _check_end(self, path: str, identity: Identity) -> None:
        if (found := self.stat(path).identity) != identity:
            message = f"{self._place.uri(path)} was {identity}, and is now {found}: it changed while it was read"
            raise user_error(CHANGED.code, message, CHANGED.hint)

    def _write(self, full_path: str, stream: BinaryIO) -> Mapping[str, Any] | None:
        filesystem = self._filesystem()
        folder = full_path.rpartition("/")[0]
        part = f"{folder}/.mlgit-{uuid.uuid4().hex}.part"
        try:
            info = self._create(filesystem, part, stream)
            self._replace(filesystem, part, full_path)
        except BaseException as error:
            with suppress(Exception):
                filesystem.rm_file(part)
            if isinstance(error, Exception) and self._is_folder(full_path):
                raise IsADirectoryError(full_path) from None
            raise
        return info

    def _create(self, filesystem: AbstractFileSystem, path: str, stream: BinaryIO) -> Mapping[str, Any] | None:
        """Write a new file, and its folders; return what the service says of it, None if it has to be asked."""
        try:
            file: BinaryIO = filesystem.open(path, "wb")
        except Exception as error:
            if find_cause(error, self._place) is not NO_PATH:
                raise
            filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
            file = filesystem.open(path, "wb")
        with file:
            copy_source(stream, file)
        return None

    def _is_folder(self, full_path: str) -> bool:
        with suppress(Exception):
            return bool(self._info(full_path)["type"] == FOLDER)
        return False

    def _replace(self, filesystem: AbstractFileSystem, old: str, new: str) -> None:
        """Rename a file, in place of one that there may be."""
        filesystem.mv(old, new)
