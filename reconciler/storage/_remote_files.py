"""The files of a store on a storage service: each appears when it is complete, and is created by one caller only."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from fsspec import AbstractFileSystem
from fsspec.asyn import sync
from fsspec.callbacks import Callback

from reconciler.diagnostics import UserError
from reconciler.model.grants import Access, Grant
from reconciler.model.object_store import UNREACHABLE_CODE
from reconciler.storage._filesystems import BLOCK_SIZE, close_filesystem
from reconciler.storage._remote_file import RemoteFile, to_remote_file
from reconciler.storage._remote_grants import make_grants
from reconciler.storage._s3_uploads import abort_uploads
from reconciler.storage._service_errors import service_error

_TEMPORARY = "tmp"
_SECONDS, _SLOWEST = 600.0, 1000.0  # for a request as a whole, and more for each so many bytes of a file
_RENAMING = threading.Lock()  # one channel beside those of sshfs: servers allow ten
_RENAME_FAILURES = frozenset({"SFTPFailure", "SFTPFileAlreadyExists"})


class RemoteFiles:
    """The files below the root of a store; paths are relative to it.

    Every method raises UserError as `service_error` has it; a connection that broke is opened again at the next use.
    Threads may share it.
    """

    def __init__(
        self,
        service: str,
        location: str,
        root: str,
        connect: Callable[[], AbstractFileSystem],
        read_secrets: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self.location = location
        self._read_secrets = read_secrets
        self._service = service
        self._root = root.rstrip("/")
        self._connect = connect

    @property
    def has_atomic_writes(self) -> bool:
        """True if the service itself shows a file once it is complete; else it is written aside and renamed."""
        return self.is_flat

    @property
    def is_flat(self) -> bool:
        """True if the service has no folders: one listing, page by page, has all that is below a path."""
        return self._service in {"s3", "azure"}

    def find(self, path: str) -> RemoteFile | None:
        """Return what the service says of a file, None if there is none."""
        with self._use() as files, suppress(FileNotFoundError):
            info = files.info(self._full(path), **self._limit())
            return None if info["type"] == "directory" else to_remote_file(info)
        return None

    def list(self, folder: str) -> Mapping[str, RemoteFile | None]:
        """Return the names in a folder with what the service says of each file, None for a folder."""
        full = self._full(folder)
        with self._use() as files, suppress(FileNotFoundError):
            entries = files.ls(full, detail=True, **self._limit())
            named = ((str(info["name"]).rstrip("/"), info) for info in entries)
            found = {
                name.rpartition("/")[2]: None if info["type"] == "directory" else to_remote_file(info)
                for name, info in named
            }
            return found if found != {full.rpartition("/")[2]: None} else {}
        return {}

    def list_below(self, folder: str) -> Mapping[str, RemoteFile]:
        """Return the files below a folder by their paths from it, with what the service says of each."""
        full = self._full(folder)
        with self._use() as files, suppress(FileNotFoundError):
            found = files.find(full, detail=True, **self._limit())
            return {path.removeprefix(f"{full}/"): to_remote_file(info) for path, info in found.items()}
        return {}

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a small file, None if there is none."""
        with self._use() as files, suppress(FileNotFoundError):
            data: bytes = files.cat_file(self._full(path), **self._limit())
            return data
        return None

    def create(self, path: str, data: bytes) -> bool:
        """Write a file that does not exist and return True; False if it exists. Of several callers, one gets True."""
        full = self._full(path)
        with self._write() as files:
            try:
                if self.has_atomic_writes:
                    files.pipe_file(full, data, mode="create", **self._limit())
                    return True
            except FileExistsError:
                return False
            if files.exists(full):
                return False
            with self._temporary(files) as temporary:
                files.pipe_file(temporary, data, **self._limit())
                return self._rename_new(files, temporary, full)

    def replace(self, path: str, data: bytes) -> None:
        """Write a small file, in place of one that there may be."""
        with self._write() as files:
            if self.has_atomic_writes:
                files.pipe_file(self._full(path), data, **self._limit())
                return
            with self._temporary(files) as temporary:
                files.pipe_file(temporary, data, **self._limit())
                self._rename(files, temporary, self._full(path))

    def upload(self, source: Path, path: str, concurrency: int, on_bytes: Callable[[int], None]) -> None:
        """Write a file with the bytes of one of this machine, in place of one that there may be."""
        limit = self._limit(source.stat().st_size)
        options = {"callback": _BytesCallback(on_bytes), **self._transfer_options(concurrency), **limit}
        with self._use() as files:
            if self.has_atomic_writes:
                files.put_file(str(source), self._full(path), **options)
                return
            with self._temporary(files) as temporary:
                files.put_file(str(source), temporary, **options)
                self._rename(files, temporary, self._full(path))

    def download(self, path: str, target: Path, size: int, concurrency: int, on_bytes: Callable[[int], None]) -> bool:
        """Write the bytes of a file of a size to one of this machine and return True; False if there is no such."""
        limit = self._limit(size)
        options = {"callback": _BytesCallback(on_bytes), **self._transfer_options(concurrency), **limit}
        with self._use() as files, suppress(FileNotFoundError):
            files.get_file(self._full(path), str(target), **options)
            return True
        return False

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Yield the bytes of a file as a stream; raises FileNotFoundError."""
        with self._use() as files, files.open(self._full(path), "rb", block_size=BLOCK_SIZE) as stream:
            yield stream

    def grant(self, md5s: Mapping[str, str], access: Access, seconds: int) -> tuple[Grant, ...] | None:
        """Return a request for each file, by its path and the md5 of its bytes; None if the service has no such."""
        full = {self._full(path): md5 for path, md5 in md5s.items()}
        with self._use() as files:
            return make_grants(files, self._service, full, access, seconds)

    def delete(self, path: str) -> None:
        """Delete a file, if there is one."""
        with self._use() as files, suppress(FileNotFoundError):
            files.rm_file(self._full(path), **self._limit())

    def remove_abandoned(self, before: float) -> None:
        """Remove what processes that were killed left in writing before a time; on S3 parts of large files, too."""
        for name, file in self.list(_TEMPORARY).items():
            if file is not None and file.modified < before:
                self.delete(f"{_TEMPORARY}/{name}")
        if self._service == "s3":
            with self._use() as files:
                abort_uploads(files, self._root, before)

    def missing_root_error(self) -> UserError:
        """Return the error of a store whose bucket, container or folder does not exist and cannot be made."""
        return service_error(self.location, FileNotFoundError("the bucket, container or folder does not exist"))

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}"

    @contextmanager
    def _use(self) -> Iterator[AbstractFileSystem]:
        """Yield the connection; the errors of its driver become errors of the store, but for a missing file."""
        files = None
        try:
            files = self._connect()
            yield files
        except (UserError, FileNotFoundError, FileExistsError):
            raise
        except Exception as error:  # each driver raises errors of its own, of which none may get past here
            translated = service_error(self.location, error, self._read_secrets())
            if files is not None and translated.diagnostics[0].code == UNREACHABLE_CODE:
                close_filesystem(files)
            raise translated from error

    @contextmanager
    def _write(self) -> Iterator[AbstractFileSystem]:
        """Yield the connection to write a file of its own: what is not found then is the root of the store."""
        try:
            with self._use() as files:
                yield files
        except FileNotFoundError as error:
            raise self.missing_root_error() from error

    def _limit(self, size: int = 0) -> Mapping[str, float]:
        """Return the option that limits the time of a request as a whole: drivers do so from byte to byte only.

        The wrapper of fsspec takes it, which that of WebHDFS has not.
        """
        return {"timeout": _SECONDS + size / _SLOWEST} if self._service != "webhdfs" else {}

    def _transfer_options(self, concurrency: int) -> Mapping[str, Any]:
        if self._service == "s3":
            return {"chunksize": BLOCK_SIZE, "max_concurrency": concurrency}
        return {"max_concurrency": concurrency} if self._service == "azure" else {}

    @contextmanager
    def _temporary(self, files: AbstractFileSystem) -> Iterator[str]:
        """Yield a path on the service to write to; what is left there is removed afterwards."""
        path = self._full(f"{_TEMPORARY}/{uuid.uuid4().hex}")
        if self._service != "webhdfs":  # which makes folders by itself
            files.makedirs(path.rpartition("/")[0], exist_ok=True, **self._limit())
        try:
            yield path
        except BaseException:
            with suppress(Exception):  # the connection may be gone
                files.rm_file(path)
            raise

    def _rename(self, files: AbstractFileSystem, source: str, target: str) -> None:
        """Give a complete file its name, in place of one that there may be."""
        if self._service == "webhdfs":
            files.replace_file(source, target)
        else:
            files.makedirs(target.rpartition("/")[0], exist_ok=True)
            files.mv(source, target)

    def _rename_new(self, files: AbstractFileSystem, source: str, target: str) -> bool:
        """Give a file its name and return True; False if another has it. Both protocols do it in one step."""
        if self._service == "webhdfs":
            with suppress(FileExistsError):
                files.rename_new(source, target)
        else:
            files.makedirs(target.rpartition("/")[0], exist_ok=True)
            with _RENAMING, suppress(FileExistsError):
                sync(files.loop, _sftp_rename, files, source, target)
        if not files.exists(source):
            return True
        files.rm_file(source)
        if not files.exists(target):
            raise OSError("the service refused to rename a file")
        return False


class _BytesCallback(Callback):  # type: ignore[misc]
    """Passes on how many bytes were transferred since the last call."""

    def __init__(self, on_bytes: Callable[[int], None]) -> None:
        super().__init__()
        self._on_bytes = on_bytes

    def relative_update(self, inc: int = 1) -> None:
        super().relative_update(inc)
        self._on_bytes(inc)

    def absolute_update(self, value: int) -> None:
        before = self.value
        super().absolute_update(value)
        self._on_bytes(value - before)


async def _sftp_rename(files: Any, source: str, target: str) -> None:
    """Rename by the request of the protocol itself, which replaces nothing; raises FileExistsError.

    Servers answer no more than "failure" where the target exists: the caller looks whether the source is still there.
    """
    async with files.client.start_sftp_client() as client:
        try:
            await client.rename(source, target)
        except Exception as error:
            if type(error).__name__ not in _RENAME_FAILURES:
                raise
            raise FileExistsError(target) from error
