"""A proxy in front of a service of the tests that answers in its place, or cuts the connection, and else passes on.

It makes what the real services cannot: throttling, a clock that is wrong, a quota, a connection that breaks.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


def azure_answer(status: int, code: str, message: str) -> bytes:
    """Return an error as Azure's storage services answer."""
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return _answer(status, body, f"x-ms-error-code: {code}\r\n")


def s3_answer(status: int, code: str, message: str) -> bytes:
    """Return an error as S3 answers."""
    return _answer(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>")


def _answer(status: int, body: str, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status} Error\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{headers}Connection: close\r\n\r\n{body}".encode()


@dataclass
class FaultProxy:
    """The proxy: the next ``times`` requests get ``answer``; after ``cut_after`` bytes of the service it cuts."""

    target: int
    answer: bytes = b""
    times: int = 0
    cut_after: int | None = None
    answered: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(120)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if self._is_next_answered():
                _read_request(client)
                client.sendall(self.answer)
                return
            with socket.create_connection(("127.0.0.1", self.target)) as service:
                up = threading.Thread(target=_pump, args=(client, service, None), daemon=True)
                up.start()
                _pump(service, client, self.cut_after)
                for end in (client, service):
                    with suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
                up.join(120)

    def _is_next_answered(self) -> bool:
        with self._lock:
            if self.answered >= self.times:
                return False
            self.answered += 1
            return True


@contextmanager
def in_front_of(port: int, answer: bytes = b"", times: int = 0, cut_after: int | None = None) -> Iterator[FaultProxy]:
    """Run a proxy in front of a port."""
    proxy = FaultProxy(port, answer, times, cut_after)
    yield proxy
    proxy.stop()


def _pump(source: socket.socket, sink: socket.socket, limit: int | None) -> None:
    sent = 0
    with suppress(OSError):
        while data := source.recv(65536):
            if limit is not None and sent + len(data) > limit:
                sink.sendall(data[: max(0, limit - sent)])
                return
            sink.sendall(data)
            sent += len(data)


def _read_request(client: socket.socket) -> None:
    """Read a request with its body, so that the client has sent all when it gets its answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += (part := client.recv(65536))
        if not part:
            return
    head, _, body = data.partition(b"\r\n\r\n")
    if b"expect: 100-continue" in head.lower():
        return
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = int(lengths[0]) - len(body) if lengths else 0
    while missing > 0 and (part := client.recv(65536)):
        missing -= len(part)
