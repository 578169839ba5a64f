"""The address of a server is checked when it is connected to, before anything is sent."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

from reconciler.storage.web_error import WebError
from reconciler.storage.web_file import open_web_file, stat_web_file

pytestmark = pytest.mark.fast


class Server(http.server.ThreadingHTTPServer):
    """A server on this machine, which counts what it is asked."""

    asked = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.send_header("ETag", '"x"')
        self.end_headers()
        self.wfile.write(b"abc")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is called above
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def test_a_name_that_is_this_machine_is_not_asked(server, monkeypatch):
    # A name of the Internet that resolves to this machine, as whoever owns it can let it.
    real = server.server_address[1]
    monkeypatch.setattr("urllib3.util.connection.socket.getaddrinfo", lambda *_: [(2, 1, 6, "", ("127.0.0.1", real))])
    url = f"http://data.example.org:{real}/x.csv"
    with pytest.raises(WebError, match=r"data\.example\.org is 127\.0\.0\.1, which is this machine") as error:
        stat_web_file(url, 5, allows_local=False)
    assert "local_hosts: [data.example.org]" in error.value.hint
    with pytest.raises(WebError), open_web_file(url, 5, allows_local=False):
        pass
    assert server.asked == 0


def test_the_own_address_of_this_machine_is_not_asked_either():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # sends nothing: it says which address this machine would have
        except OSError:
            pytest.skip("this machine has no address but that of itself")
        own = probe.getsockname()[0]
    if own.startswith("127."):
        pytest.skip("this machine has no address but that of itself")
    with Server(("", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        with pytest.raises(WebError, match="which is this machine"):
            stat_web_file(f"http://{own}:{running.server_address[1]}/x.csv", 5, allows_local=False)
        assert running.asked == 0
        running.shutdown()


def test_a_server_that_does_not_answer_head_is_asked_for_the_file_and_only_its_headers_are_read(server):
    identity = stat_web_file(f"http://127.0.0.1:{server.server_address[1]}/x.csv", 5)
    assert (identity.size, identity.etag) == (3, '"x"')
    assert server.asked == 1
