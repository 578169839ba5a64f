"""A proxy before a service of HTTP: it notes the requests, and holds or cuts the connection after some bytes.

It can drop a header of requests, and replace words of answers.
"""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from typing import Self

_REQUEST = re.compile(rb"(?:^|(?<=\n)|(?<=\r\n\r\n))(GET|PUT|HEAD|POST|DELETE) (\S+) HTTP/1\.1\r\n")


class CutProxy:
    """Listens on a port of 127.0.0.1 and passes on what comes.

    ``requests`` are the methods and paths so far, ``passed`` is the number of bytes, ``held`` that of connections.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._left: int | None = None
        self._limit: int | None = None
        self._total: int | None = None
        self._released = threading.Event()
        self.passed = 0
        self.held = 0
        self._mutex = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.requests: list[tuple[str, str]] = []
        self.dropped_header = b""
        self.replaced = (b"", b"")

    def __enter__(self) -> Self:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all connections, and take no more."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._cut()

    def cut_after(self, count: int | None) -> None:
        """Cut all connections after so many more bytes from the client, and then each new one; None ends that."""
        with self._mutex:
            self._left = count

    def hold_after(self, count: int, *, together: bool = False) -> None:
        """Pass on nothing more in each direction of a connection once so many bytes went there, until `release`.

        With ``together`` the bytes of all connections count.
        """
        self._released.clear()
        self._total = self.passed + count if together else None
        self._limit = None if together else count

    def release(self) -> None:
        """Pass on what was held, and all that comes."""
        self._limit = self._total = None
        self._released.set()

    def uploads(self, part: str) -> list[str]:
        """Return the paths that were written to, of those with a part."""
        return [path.partition("?")[0] for method, path in self.requests if method == "PUT" and part in path]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                with suppress(OSError):
                    service = socket.create_connection(("127.0.0.1", self._target))
                    with self._mutex:
                        self._sockets += [client, service]
                    threading.Thread(target=self._copy, args=(client, service, True), daemon=True).start()
                    threading.Thread(target=self._copy, args=(service, client, False), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, is_request: bool) -> None:  # noqa: FBT001
        passed = 0
        with suppress(OSError):
            while data := source.recv(65536):
                if is_request:
                    data = self._watch(data)
                    if not self._take(len(data)):
                        self._cut()
                        return
                elif self.replaced[0]:
                    data = data.replace(*self.replaced)
                passed += len(data)
                self._count(len(data))
                if self._is_beyond(passed):
                    self._hold()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _watch(self, data: bytes) -> bytes:
        with self._mutex:
            self.requests += [(method.decode(), path.decode()) for method, path in _REQUEST.findall(data)]
        if self.dropped_header:
            return re.sub(rb"(?i)\r\n" + self.dropped_header + rb":[^\r]*", b"", data)
        return data

    def _count(self, count: int) -> None:
        with self._mutex:
            self.passed += count

    def _is_beyond(self, passed: int) -> bool:
        limit, total = self._limit, self._total
        return (limit is not None and passed > limit) or (total is not None and self.passed > total)

    def _hold(self) -> None:
        with self._mutex:
            self.held += 1
        self._released.wait(120)
        with self._mutex:
            self.held -= 1

    def _take(self, count: int) -> bool:
        with self._mutex:
            if self._left is None:
                return True
            self._left -= count
            return self._left >= 0

    def _cut(self) -> None:
        with self._mutex:
            sockets, self._sockets = self._sockets, []
        for connected in sockets:
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
            connected.close()
