"""What the backend `ray` makes of an address that answers otherwise than Ray does."""

from __future__ import annotations

import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from services.drip_server import drip_server
from services.tls import TlsRecorder

from reconciler.backends import _ray_api
from reconciler.backends._ray_api import RayApi, RayError
from reconciler.diagnostics import UserError

_PAGE = b"<!DOCTYPE html>\n<html><body>Unsupported method</body>\n</html>\n"


class _Server(BaseHTTPRequestHandler):
    answer = (200, b"")
    parts = 1
    pause = 0.0

    def do_GET(self):
        status, body = self.answer
        self.send_response(status)
        self.end_headers()
        for _ in range(self.parts):
            self.wfile.write(body)
            time.sleep(self.pause)

    do_POST = do_GET  # noqa: N815 - the name that its base looks for

    def handle(self):
        with suppress(BrokenPipeError, ConnectionResetError):  # who asks has gone, as it should
            super().handle()

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def serve():
    """Return a function that lets a server answer all requests in a way, and returns its API."""
    servers = []

    def start(status, body, parts=1, pause=0.0):
        handler = type("Handler", (_Server,), {"answer": (status, body), "parts": parts, "pause": pause})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return RayApi(f"http://127.0.0.1:{server.server_port}")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("status", [400, 405, 501, 502])
def test_a_web_page_in_answer_to_a_submission_is_no_refusal_of_ray(serve, status):
    with pytest.raises(UserError, match=f"is no Ray dashboard: it answers with HTTP {status} and a web page"):
        serve(status, _PAGE).submit_job({})


def test_what_ray_says_of_an_error_is_the_last_line_of_its_traceback(serve):
    with pytest.raises(RayError, match=r"^no such environment$"):
        serve(500, b"Traceback (most recent call last):\nRuntimeError: no such environment\n").submit_job({})
    with pytest.raises(RayError) as caught:
        serve(500, b"x" * 100_000).submit_job({})
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_that_does_not_end_fills_no_memory(serve, monkeypatch, status):
    monkeypatch.setattr(_ray_api, "_MAX_SIZE", 1 << 20)
    with pytest.raises(UserError, match="does not answer: its answer does not end"):
        serve(status, b"[" * 100_000, parts=20).list_jobs()


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_that_comes_byte_by_byte_is_not_waited_for(serve, monkeypatch, status):
    monkeypatch.setattr(_ray_api, "_WHOLE_ANSWER", 0.01)
    with pytest.raises(UserError, match="does not answer: its answer does not end"):
        serve(status, b" ", parts=600, pause=0.05).list_jobs()


def test_a_header_that_comes_byte_by_byte_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(_ray_api, "_WHOLE_ANSWER", 0.03)
    with drip_server(b"HTTP/1.1 200 OK\r\n") as url, pytest.raises(UserError) as caught:
        RayApi(url).list_jobs()
    (problem,) = caught.value.diagnostics
    assert problem.message == f"Ray at {url} does not answer: its answer does not end"


def test_a_certificate_that_is_not_accepted_is_said(tmp_path):
    server = TlsRecorder(tmp_path, lambda _: (200, {}, b"[]"))
    try:
        with pytest.raises(UserError, match=r"does not answer: .*certificate"):
            RayApi(server.url).list_jobs()
    finally:
        server.stop()


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"[" * 200_000, b"NaN", b"3", b'"jobs"', b"{}"])
def test_what_is_no_list_of_jobs_is_said(serve, body):
    with pytest.raises(UserError, match="is no Ray dashboard: it"):
        serve(200, body).list_jobs()


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 200_000, b"3", b'"job"', b"[]", b"null"])
def test_what_is_no_job_is_said(serve, body):
    with pytest.raises(UserError, match="is no Ray dashboard: it"):
        serve(200, body).find_jobs(["a"])


@pytest.mark.parametrize("body", [b"[3, null, [], {}]", b'[{"submission_id": null}, {"submission_id": ""}]'])
def test_entries_that_are_no_jobs_are_left_out(serve, body):
    assert serve(200, body).list_jobs() == {}


@pytest.mark.parametrize(
    ("nodes", "resources"),
    [
        (b"[3]", ()),
        (b'[{"state": "ALIVE", "resources_total": [1]}]', ()),
        (b'[{"state": "ALIVE", "resources_total": null}]', ()),
        (
            b'[{"state": "ALIVE", "resources_total": {"CPU": "2", "GPU": NaN, "memory": 7, "a": true}}]',
            ({"memory": 7},),
        ),
    ],
)
def test_resources_of_nodes_that_are_no_numbers_do_not_count(serve, nodes, resources):
    api = serve(200, b'{"data": {"result": {"result": ' + nodes + b"}}}")
    assert api.list_nodes() == resources


@pytest.mark.parametrize(
    "row", [b"[NaN, 1]", b"[0, Infinity]", b"[1e999, 1]", b"[1" + b"0" * 400 + b", 1]", b'["a", 1]', b"3"]
)
def test_a_usage_that_is_no_number_is_not_shown(serve, row):
    report = b'{"data": {"clusterStatus": {"loadMetricsReport": {"usage": {"CPU": ' + row + b"}}}}}"
    assert serve(200, report).usage() == {}


@pytest.mark.parametrize("token", ["abc\ndef", "abc\r\nX-Other: 1", "a b", "tökén", "abc\n"])
def test_a_token_that_no_header_can_have_is_said_without_its_value(token):
    with pytest.raises(UserError) as caught:
        RayApi("http://127.0.0.1:1", token)
    assert "the token of Ray has a character that no token has" in str(caught.value)
    assert token not in str(caught.value)


def test_a_port_that_there_is_not_is_said():
    with pytest.raises(UserError, match="does not answer: "):
        RayApi("http://127.0.0.1:99999").list_jobs()
