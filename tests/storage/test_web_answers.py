"""What a server may answer: whatever it is, it is a file that came whole, or an error that says what went wrong."""

from __future__ import annotations

import http.server
import threading

import pytest

from reconciler.storage.web_error import WebError
from reconciler.storage.web_file import open_web_file

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers everything with the bytes that the test says, and closes the connection."""

    def do_GET(self) -> None:
        self.wfile.write(self.server.answer)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


LOCATIONS = (
    *("http://[::1", "http://[x]/", "http://127.0.0.1:99999/x", "http://127.0.0.1:port/", "http://127.0.0.1:-1/"),
    *("//", "http:///x", "https://", "http://a b/", "mailto:x", "file:///etc/passwd", "http://evil\x07.example/"),
    *("http://user:pw@127.0.0.1:1/", "https://127.0.0.1:x/", "ftp://127.0.0.1/"),
)


@pytest.mark.parametrize("location", LOCATIONS)
def test_a_redirect_to_what_is_no_url_of_the_same_host_is_an_error_of_the_download(server, location):
    server.answer = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    with pytest.raises(WebError), open_web_file(f"{server.url}/n.csv", 2):
        pass


HEADS = (
    *(b"Content-Length: 3, 4", b"Content-Length: 99999999999999999999999", b"Content-Length: 10\r\nContent-Length: 3"),
    *(b"Transfer-Encoding: chunked", b"X: y\r\n" * 200 + b"X: y", b"X: " + b"y" * 100_000),
)


@pytest.mark.parametrize("head", HEADS)
def test_an_answer_that_cannot_be_all_of_a_file_is_an_error_of_the_download(server, head):
    server.answer = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\nabcd"
    with pytest.raises(WebError), open_web_file(f"{server.url}/n.csv", 2) as file:
        file.stream.read()


@pytest.mark.parametrize("name", ["", "%2e%2e", "n" * 300, "%C3%A9" * 128, "a%0Ab", "a%00b", "x%2F.."])
def test_a_url_whose_last_part_no_file_can_be_called_gives_a_file_with_another_name(server, tmp_path, name):
    server.answer = OK
    with open_web_file(f"{server.url}/{name}", 2) as file:
        (tmp_path / f".{file.name}.part").write_bytes(file.stream.read())
        assert file.name == "data"
