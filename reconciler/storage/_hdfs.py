"""Files of HDFS by WebHDFS: fsspec's driver with the names of errors, limits of time, streams, and renames in one step.

https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote

import requests
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.implementations.webhdfs import WebHDFS
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection

from reconciler.storage.connection_guard import ConnectionGuard

CHUNK_SIZE = 1 << 20
_TIMEOUT = 10, 60  # seconds to connect, and without an answer
_SECONDS = 600.0  # for a whole answer, or the next chunk of a file
_BINARY = {"Content-Type": "application/octet-stream"}
# What only reads is sent again; a server that does not listen is an error at once.
_RETRY = Retry(
    total=2,
    connect=0,
    other=0,
    allowed_methods=("GET",),
    status_forcelist=(429, 503),
    backoff_factor=0.5,
    raise_on_status=False,
)


class HdfsError(OSError):
    """What a server refused; ``error_code`` is the name of its exception."""

    def __init__(self, error_code: str, message: str) -> None:
        super().__init__(message)
        self.error_code = error_code


class HdfsMissingError(HdfsError, FileNotFoundError):
    """There is no such file or folder."""


class HdfsExistsError(HdfsError, FileExistsError):
    """There is a file or a folder of the name."""


_ERRORS = {"FileNotFoundException": HdfsMissingError, "FileAlreadyExistsException": HdfsExistsError}


class HdfsFiles(WebHDFS):  # type: ignore[misc]
    """The files of HDFS; data goes from and to its data nodes in one request for each file, whatever its size."""

    def write_stream(self, path: str, chunks: Iterable[bytes]) -> Mapping[str, Any]:
        """Write a file, in place of one that there may be; return what the server says of it.

        It can be seen before it is complete.
        """
        try:
            size = self._create(path, chunks)
        except requests.ConnectionError:
            # A data node that refuses cuts off what is sent, and what it says is lost: a small file is answered.
            self._create(path, (b"x",))
            raise
        info: Mapping[str, Any] = self.info(path)
        if info["size"] != size:  # a data node says that all is well if a quota let it write nothing
            raise HdfsError("", f"it kept {info['size']:,} bytes and not all, as it does where a quota is used up")
        return info

    def replace_file(self, source: str, target: str) -> None:
        """Give a file another name, in place of one that there may be, in one step."""
        self._rename(source, target, "OVERWRITE")

    def rename_new(self, source: str, target: str) -> None:
        """Give a file a name that none has, in one step; raises FileExistsError."""
        self._rename(source, target, "NONE")

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: object) -> None:
        if mode != "overwrite":
            raise ValueError(f"a file cannot be opened with mode {mode!r}")
        self.write_stream(path, (value,))

    def put_file(self, lpath: str, rpath: str, callback: Callback = DEFAULT_CALLBACK, **_: object) -> None:
        with Path(lpath).open("rb") as file:
            self.write_stream(rpath, _read_chunks(file, callback))

    def get_file(self, rpath: str, lpath: str, callback: Callback = DEFAULT_CALLBACK, **_: object) -> None:
        with self.open(rpath) as source, Path(lpath).open("wb") as target:
            target.writelines(_read_chunks(source, callback))

    def _open(self, path: str, mode: str = "rb", **_: object) -> BinaryIO:
        """Return the bytes of a file as a stream, which cannot seek."""
        if mode != "rb":
            raise ValueError(f"a file cannot be opened with mode {mode!r}")
        found = self._by_number(path) if "%" in path else path
        return cast("BinaryIO", _GuardedStream(self._call("OPEN", path=found, stream=True), self._guard))

    def _create(self, path: str, chunks: Iterable[bytes]) -> int:
        """Send a file, and make its folders; return how many bytes it has, -1 if the server did not take all."""
        folder, _, name = path.rpartition("/")
        if "%" in folder:
            self.mkdir(folder)
            path = f"{self._by_number(folder)}/{name}"
        size, sent = -1, 0

        def count() -> Iterator[bytes]:
            nonlocal size, sent
            for chunk in chunks:
                sent += len(chunk)
                yield chunk
            size = sent

        answer = self._call("CREATE", "put", path, redirect=False, overwrite="true")
        with _guarding(self._guard):
            sent_to = answer.headers["Location"]
            written = self.session.put(sent_to, data=count(), headers=_BINARY, timeout=_TIMEOUT)
        _check(written)
        return size

    def _by_number(self, path: str) -> str:
        """Return the path of a file or folder by its number: data nodes of Hadoop 2.7 decode a % of a name twice.

        Gateways of HttpFS tell no numbers.
        """
        number = self.info(path).get("fileId")
        return f"/.reserved/.inodes/{number}" if number else path

    def _rename(self, source: str, target: str, option: str) -> None:
        with suppress(HdfsMissingError):
            if self._try_rename(source, target, option):
                return
        self.mkdir(target.rpartition("/")[0])
        if not self._try_rename(source, target, option):
            raise HdfsExistsError("", f"the server did not rename a file to {target}")

    def _try_rename(self, source: str, target: str, option: str) -> bool:
        answer = self._call("RENAME", "put", source, destination=target, renameoptions=option)
        return not answer.content or bool(answer.json()["boolean"])  # a server that knows no options says no more

    def _connect(self) -> None:
        super()._connect()
        self._guard = ConnectionGuard(_SECONDS)
        weakref.finalize(self, self._guard.close)
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, _GuardedAdapter(self._guard))

    def _call(
        self,
        op: str,
        method: str = "get",
        path: str = "",
        *,
        redirect: bool = True,
        stream: bool = False,
        **options: Any,
    ) -> requests.Response:
        with _guarding(self._guard):
            answer: requests.Response = self.session.request(
                method.upper(),
                f"{self.url}{quote(path)}",
                params={**options, **self.pars, "op": op},
                allow_redirects=redirect,
                stream=stream,
                timeout=_TIMEOUT,
            )
        return _check(answer)


class _GuardedAdapter(HTTPAdapter):
    """An adapter whose answers a guard watches from their start on; who has asked tells it that no more has to come."""

    def __init__(self, guard: ConnectionGuard) -> None:
        self._guard = guard
        super().__init__(max_retries=_RETRY)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools of connections, of those that the guard watches."""
        super().init_poolmanager(*args, **options)
        pools = {"http": (HTTPConnectionPool, HTTPConnection), "https": (HTTPSConnectionPool, HTTPSConnection)}
        self.poolmanager.pool_classes_by_scheme = {
            scheme: type(pool.__name__, (pool,), {"ConnectionCls": _watch(connection, self._guard)})
            for scheme, (pool, connection) in pools.items()
        }


def _watch(connection: type[HTTPConnection], guard: ConnectionGuard) -> type[HTTPConnection]:
    """Return a class of connections whose answers a guard watches."""

    class Watched(connection):  # type: ignore[misc, valid-type]
        def getresponse(self) -> Any:
            guard.watch(self.sock)
            return super().getresponse()

    return Watched


@contextmanager
def _guarding(guard: ConnectionGuard) -> Iterator[None]:
    """Raise TimeoutError if the connection of a request or a stream was cut, which can look like its end."""
    try:
        yield
    finally:
        if guard.pause():
            raise TimeoutError("its answer does not end")


class _GuardedStream(RawIOBase):
    """The bytes of an answer; reading raises TimeoutError if the next ones do not come."""

    def __init__(self, answer: requests.Response, guard: ConnectionGuard) -> None:
        self._raw, self._guard = answer.raw, guard

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return self.readall()
        self._guard.resume()
        with _guarding(self._guard):
            return cast("bytes", self._raw.read(size))

    def close(self) -> None:
        self._raw.close()
        super().close()


def _check(answer: requests.Response) -> requests.Response:
    """Return an answer; raises HdfsError by what the server says, HTTPError if that is not of HDFS."""
    if answer.ok:
        return answer
    try:
        said = answer.json()["RemoteException"]
        name, message = str(said["exception"]), str(said["message"])
    except (ValueError, KeyError, TypeError):
        answer.raise_for_status()
        raise
    raise _ERRORS.get(name, HdfsError)(name, message)


def _read_chunks(file: BinaryIO, callback: Callback) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_SIZE):
        yield chunk
        callback.relative_update(len(chunk))
