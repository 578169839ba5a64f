"""A server that is too slow: it sends the start of an answer, then a byte at a time."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

_HEAD = b"HTTP/1.1 200 OK\r\n"
DRIPS: Mapping[str, tuple[bytes, bytes]] = {
    "the status": (b"", b"H"),
    "a header": (_HEAD, b"a"),
    "a body": (_HEAD + b"Content-Length: 1000000\r\n\r\n", b"a"),
    "a body of unknown length": (_HEAD + b"Connection: close\r\n\r\n", b"a"),
    "the length of a chunk": (_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
}
"""Starts of answers, and the byte that follows again and again."""


class Drip(socketserver.BaseRequestHandler):
    """Sends the start of an answer, then a byte at a time until the connection is closed."""

    start, word = b"", b"a"

    def handle(self) -> None:
        with suppress(OSError):
            self.request.sendall(self.start)
            while True:
                self.request.sendall(self.word)
                time.sleep(0.02)


@contextmanager
def drip_server(start: bytes, word: bytes = b"a") -> Iterator[str]:
    """Serve on 127.0.0.1; yield a URL."""
    handler = type("Handler", (Drip,), {"start": start, "word": word})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
