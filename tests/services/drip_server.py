"""A server that is too slow: it sends the start of an answer, then a byte at a time."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


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
