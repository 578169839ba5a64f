"""Requests of a node to a storage service, by URLs that mlgit has given it: they are secrets, and no message has one.

The standard library only. A connection is kept for the next request of its thread; a transfer that is cut goes on where
it was cut, or begins again.
"""

from __future__ import annotations

import base64
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache
from io import RawIOBase
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from reconciler.storage.connection_guard import ConnectionGuard

_THREADS = 8
_CONNECT_SECONDS, _READ_SECONDS = 4, 60  # the first for each address of a host
_SLOW_SECONDS, _PIECE_SIZE = 60.0, 1 << 16  # a connection that brings no such piece in this time is cut
_SLOW, _SILENT = "it sends less than 1 kB a second", "no answer in time"
_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.5
_PROGRESS_SIZE = 1 << 20  # a connection that brought so much is no failed attempt
_BLOCK_SIZE = 1 << 18
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_MAX_ANSWER = 1 << 16  # of a service to what it was sent; it is not looked at
_OK, _PARTIAL, _CREATED = 200, 206, 201


class WebRequest(NamedTuple):
    """A request that mlgit has granted for an object, which has no more bytes than ``max_size``."""

    digest: str
    url: str
    headers: Mapping[str, str]
    max_size: int


class RequestError(Exception):
    """A request failed: why, without its URL, and whether it may succeed later, or the service is of no use now."""

    def __init__(self, reason: str, *, is_passing: bool = False, is_unreachable: bool = False) -> None:
        super().__init__(reason)
        self.is_passing, self.is_unreachable = is_passing, is_unreachable


class ResumedStream(RawIOBase):
    """The bytes behind a URL, to the end; a connection that is cut is made again. Reading raises RequestError."""

    def __init__(self, client: _Client, request: WebRequest) -> None:
        super().__init__()
        self._client, self._request = client, request
        self._position, self._counted, self._attempt = 0, 0, 0
        self._size: int | None = None
        self._response = self._ask()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return self.readall()
        while True:
            self._client.guard.resume()
            try:
                chunk = self._response.read(min(size, _PIECE_SIZE))
                reason = "" if chunk or not size or self._is_whole else "the connection was closed"
            except (OSError, http.client.HTTPException) as error:
                chunk, reason = b"", _describe(error)
            if self._client.guard.pause():
                raise RequestError(_SLOW, is_unreachable=True)
            if not reason:
                self._position += len(chunk)
                if self._position > self._request.max_size:  # it may have no end
                    raise RequestError("it has more bytes than it should")
                return chunk
            self._resume(reason)

    def close(self) -> None:
        if not self._is_whole:
            self._client.drop_connection(self._request.url)
        super().close()

    @property
    def _is_whole(self) -> bool:
        return self._size is None or self._position >= self._size

    def _resume(self, reason: str) -> None:
        self._client.drop_connection(self._request.url)
        if self._position - self._counted >= _PROGRESS_SIZE:
            self._attempt, self._counted = 0, self._position
        self._attempt += 1
        if self._attempt >= _ATTEMPTS:
            raise RequestError(f"the transfer was cut: {reason}", is_passing=True, is_unreachable=reason == _SILENT)
        time.sleep(_FIRST_PAUSE_SECONDS)
        self._response = self._ask()

    def _ask(self) -> http.client.HTTPResponse:
        headers = {"Range": f"bytes={self._position}-"} if self._position else {}
        response = self._client.send("GET", self._request, headers)
        if response.status == _OK:
            self._size = response.length
        return response


def fetch(requests: Sequence[WebRequest], receive: Callable[[str, BinaryIO], object], seconds: float) -> dict[str, Any]:
    """Have a function called with each object as a stream, in several threads; return what did not come, and why.

    What the function raises as RequestError counts as a failure of its object. The keys of the answer are
    ``failed``, with reasons by digest, ``late`` with those whose request was not sent within so many seconds, and
    ``unreachable`` with the reason if the service is not reached, or is too slow.
    """

    def fetch_one(client: _Client, request: WebRequest) -> None:
        with ResumedStream(client, request) as stream:
            receive(request.digest, stream)  # type: ignore[arg-type]

    return _do_all(fetch_one, requests, seconds)


def upload(requests: Sequence[WebRequest], open_object: Callable[[str], BinaryIO], seconds: float) -> dict[str, Any]:
    """Send objects, in several threads; the answer is as that of `fetch`."""

    def upload_one(client: _Client, request: WebRequest) -> None:
        with open_object(request.digest) as stream:
            size = str(os.fstat(stream.fileno()).st_size)
            client.send("PUT", request, {"Content-Length": size}, stream)

    return _do_all(upload_one, requests, seconds)


def _do_all(
    call: Callable[[_Client, WebRequest], None], requests: Sequence[WebRequest], seconds: float
) -> dict[str, Any]:
    end = time.monotonic() + seconds
    failed: dict[str, str] = {}
    late: list[str] = []
    unreachable: list[str] = []

    def call_one(request: WebRequest) -> None:
        if time.monotonic() >= end:
            late.append(request.digest)
        elif not unreachable:
            try:
                call(client, request)
            except RequestError as problem:
                failed[request.digest] = str(problem)
                if problem.is_unreachable:
                    unreachable.append(str(problem))

    with closing(_Client()) as client:
        try:
            client.reach(requests[0].url)  # one that is out of reach costs the time of one connection
        except RequestError as error:
            return {"failed": {}, "late": [], "unreachable": str(error)}
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(call_one, requests))
    if unreachable:
        return {"failed": {}, "late": [], "unreachable": unreachable[0]}
    return {"failed": failed, "late": late, "unreachable": ""}


class _Client:
    """Sends requests; each thread keeps its connections to hosts for the next ones, until all are closed."""

    def __init__(self) -> None:
        self._connections: dict[tuple[int, str, str], http.client.HTTPConnection] = {}
        self.guard = ConnectionGuard(_SLOW_SECONDS)

    def send(
        self, method: str, request: WebRequest, headers: Mapping[str, str], body: BinaryIO | None = None
    ) -> http.client.HTTPResponse:
        """Send a request until it succeeds, or fails in a way that does not pass, or often; raises RequestError."""
        pause = _FIRST_PAUSE_SECONDS
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if body is not None:
                    body.seek(0)
                return self._send_once(method, request, headers, body)
            except RequestError as error:
                self.drop_connection(request.url)
                if not error.is_passing or attempt == _ATTEMPTS:
                    raise
            time.sleep(pause)
            pause *= 2
        raise AssertionError(method)

    def reach(self, url: str) -> None:
        """Make a connection to the host of a URL; raises RequestError."""
        self._connect(urlsplit(url))

    def drop_connection(self, url: str) -> None:
        """Close the connection of this thread to the host of a URL: the next request makes another one."""
        if connection := self._connections.pop(_key(urlsplit(url)), None):
            connection.close()

    def close(self) -> None:
        """Close all connections."""
        self.guard.close()
        for connection in self._connections.values():
            connection.close()

    def _send_once(
        self, method: str, request: WebRequest, headers: Mapping[str, str], body: BinaryIO | None
    ) -> http.client.HTTPResponse:
        parts = urlsplit(request.url)
        connection = self._connect(parts)
        try:
            try:
                connection.request(method, f"{parts.path}?{parts.query}", body, {**request.headers, **headers})
            except (BrokenPipeError, ConnectionResetError):
                if body is None:
                    raise  # else the service may have answered before it has read all
            self.guard.watch(connection.sock)
            response = connection.getresponse()
            if body is not None:
                response.read(_MAX_ANSWER)
                if not response.isclosed():  # else the connection is used again
                    self.drop_connection(request.url)
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem, is_silent = f"{parts.hostname}: {_describe(error)}", isinstance(error, TimeoutError)
            if not self.guard.pause():
                raise RequestError(problem, is_passing=True, is_unreachable=is_silent) from None
            raise RequestError(f"{parts.hostname}: {_SLOW}", is_unreachable=True) from None
        if self.guard.pause():  # in the headers, of which what has come would count as all
            raise RequestError(f"{parts.hostname}: {_SLOW}", is_unreachable=True)
        expected = {_OK, _CREATED} if body is not None else {_PARTIAL} if "Range" in headers else {_OK}
        if response.status in expected:
            return response
        phrase = http.client.responses.get(response.status, "")
        reason = f"{parts.hostname} answers {response.status} {phrase}".strip()
        raise RequestError(reason, is_passing=response.status in _PASSING)

    def _connect(self, parts: SplitResult) -> http.client.HTTPConnection:
        """Return the connection of this thread to the host of a URL; raises RequestError if none can be made."""
        connection = self._connections.get(_key(parts))
        if connection is not None and connection.sock is not None:
            return connection
        try:
            connection = _make_connection(parts)
            connection.connect()
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = f"{parts.hostname}: {_describe(error)}"
            raise RequestError(reason, is_unreachable=True, is_passing=isinstance(error, ConnectionError)) from None
        connection.sock.settimeout(_READ_SECONDS)
        self._connections[_key(parts)] = connection
        return connection


def _key(parts: SplitResult) -> tuple[int, str, str]:
    return threading.get_ident(), parts.scheme, parts.netloc


def _make_connection(parts: SplitResult) -> http.client.HTTPConnection:
    """Return a connection to the host of a URL, not yet made: a proxy of the environment is asked for a tunnel."""
    host = parts.hostname or ""
    options: dict[str, Any] = {"timeout": _CONNECT_SECONDS, "blocksize": _BLOCK_SIZE}
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, parts.port, **options)
    proxy = urlsplit(getproxies().get("https", ""))
    if not proxy.hostname or proxy_bypass(host):
        return http.client.HTTPSConnection(host, parts.port, context=_tls(), **options)
    connection = http.client.HTTPSConnection(proxy.hostname, proxy.port or 80, context=_tls(), **options)
    user = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}" if proxy.username else ""
    headers = {"Proxy-Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"} if user else {}
    connection.set_tunnel(host, parts.port, headers)
    return connection


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _describe(error: BaseException) -> str:
    """Return why a request failed; texts of exceptions that can have a part of a URL are left out."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted: {error.verify_message}"
        case TimeoutError():
            return _SILENT
        case socket.gaierror() | OSError() if error.strerror:
            return error.strerror
        case http.client.IncompleteRead() | http.client.RemoteDisconnected():
            return "the connection was closed"
    return type(error).__name__
