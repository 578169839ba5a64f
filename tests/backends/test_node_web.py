"""The requests of a node to a service: by HTTPS and through a proxy, and what it says of those that fail."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from services.drip_server import DRIPS, drip_server
from services.ports import free_port
from services.proxy import Proxy
from services.tls import TlsRecorder

from reconciler.backends import _node_web

TEXT = "some text"
# As on a node: a process of its own, with its own environment.
SCRIPT = """
import json, sys, time
from reconciler.backends import _node_web
urls, seconds = json.load(sys.stdin)
received = {}
requests = [_node_web.WebRequest(str(number), url, {}, 100) for number, url in enumerate(urls)]
answer = _node_web.fetch(requests, lambda digest, stream: received.update({digest: stream.read().decode()}), seconds)
print(json.dumps([received, answer]))
"""


@pytest.fixture
def server(tmp_path):
    recorder = TlsRecorder(tmp_path, lambda asked: (200 if "good" in asked.path else 404, {}, TEXT.encode()))
    yield recorder
    recorder.stop()


def fetch(*urls, seconds=60, **variables):
    command = [sys.executable, "-c", SCRIPT]
    environment = {"PATH": os.environ["PATH"], **variables}
    document = json.dumps([urls, seconds])
    done = subprocess.run(command, input=document, env=environment, capture_output=True, text=True, check=True)
    assert "secret" not in done.stdout + done.stderr
    return json.loads(done.stdout)


def test_objects_are_fetched_by_https_and_those_that_are_refused_are_named(server):
    urls = [f"{server.url}/good?sig=secret", f"{server.url}/bad?sig=secret", f"{server.url}/good?sig=secret"]
    received, answer = fetch(*urls, SSL_CERT_FILE=str(server.certificate))
    assert received == {"0": TEXT, "2": TEXT}
    assert answer == {"failed": {"1": "127.0.0.1 answers 404 Not Found"}, "late": [], "unreachable": ""}
    assert len(server.asked) == 3


def test_a_service_with_an_unknown_certificate_gets_no_url(server):
    received, answer = fetch(f"{server.url}/good?sig=secret")
    assert received == {}
    assert answer["unreachable"] == "127.0.0.1: its certificate is not accepted: self-signed certificate"
    assert server.asked == []


def test_a_proxy_of_the_environment_is_asked_for_a_tunnel(server):
    url = f"{server.url}/good?sig=secret"
    port = free_port()
    variables = {"https_proxy": f"http://127.0.0.1:{port}", "SSL_CERT_FILE": str(server.certificate)}
    assert fetch(url, **variables)[1]["unreachable"] == "127.0.0.1: Connection refused"
    proxy = Proxy(port)
    proxy.start()
    try:
        assert fetch(url, **variables)[0] == {"0": TEXT}
    finally:
        proxy.stop()
    assert fetch(url, **variables, no_proxy="127.0.0.1")[0] == {"0": TEXT}


def test_what_is_not_asked_for_in_time_is_asked_for_no_more(server):
    received, answer = fetch(f"{server.url}/good?sig=secret", seconds=0, SSL_CERT_FILE=str(server.certificate))
    assert (received, answer["late"], answer["failed"]) == ({}, ["0"], {})


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://no-such-host.invalid/x?sig=secret", "no-such-host.invalid: "),
        ("https://127.0.0.1:99999/x?sig=secret", "127.0.0.1: ValueError"),
        ("http://127.0.0.1:PORT/x?sig=secret", "127.0.0.1: Connection refused"),
    ],
)
def test_a_host_that_is_not_reached_is_named_without_the_rest_of_the_url(url, reason):
    received, answer = fetch(url.replace("PORT", str(free_port())))
    assert (received, answer["failed"]) == ({}, {})
    assert answer["unreachable"].startswith(reason)


def test_a_url_that_cannot_be_sent_is_not_shown(server):
    _, answer = fetch(f"{server.url}/good x?sig=secret", SSL_CERT_FILE=str(server.certificate))
    assert answer["failed"] == {"0": "127.0.0.1: InvalidURL"}


class Endless(http.server.BaseHTTPRequestHandler):
    """Answers without an end, until the connection is closed."""

    protocol_version = "HTTP/1.1"
    status = 200

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.status)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(1 << 16))
        except OSError:
            self.close_connection = True

    def do_PUT(self):
        self.do_GET()

    def log_message(self, *_words):
        """Write nothing."""


@contextmanager
def endless_server(status):
    handler = type("Handler", (Endless,), {"status": status})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/x?sig=secret"
        finally:
            server.shutdown()
            thread.join()


def test_an_object_without_an_end_is_read_up_to_the_size_that_it_can_have():
    with endless_server(200) as url:
        received, answer = fetch(url, url)
    assert received == {}
    assert answer["failed"] == dict.fromkeys("01", "it has more bytes than it should")


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS)
def test_a_service_that_sends_a_byte_at_a_time_is_not_waited_for_and_asked_for_nothing_else(drip, monkeypatch):
    monkeypatch.setattr(_node_web, "_SLOW_SECONDS", 1.0)
    with drip_server(*drip) as url:
        requests = [_node_web.WebRequest(str(number), f"{url}/x?sig=secret", {}, 1 << 30) for number in range(100)]
        answer = _node_web.fetch(requests, lambda _, stream: stream.read(), 60)
    assert answer["unreachable"].removeprefix("127.0.0.1: ") == "it sends less than 1 kB a second"
    assert (answer["failed"], answer["late"]) == ({}, [])


@pytest.mark.parametrize("name", ["the status", "a header"])
def test_the_answer_to_an_upload_that_comes_a_byte_at_a_time_is_not_waited_for(name, monkeypatch, tmp_path):
    monkeypatch.setattr(_node_web, "_SLOW_SECONDS", 1.0)
    (tmp_path / "a").write_text(TEXT)
    with drip_server(*DRIPS[name]) as url:
        requests = [_node_web.WebRequest("a", f"{url}/x?sig=secret", {}, 100)]
        answer = _node_web.upload(requests, lambda name: (tmp_path / name).open("rb"), 60)
    assert answer == {"failed": {}, "late": [], "unreachable": "127.0.0.1: it sends less than 1 kB a second"}


@pytest.mark.parametrize(("status", "failed"), [(201, {}), (403, {"a": "127.0.0.1 answers 403 Forbidden"})])
def test_the_answer_to_an_upload_is_not_read_to_an_end_that_it_may_not_have(status, failed, tmp_path):
    (tmp_path / "a").write_text(TEXT)
    with endless_server(status) as url:
        requests = [_node_web.WebRequest("a", url, {}, 100)]
        answer = _node_web.upload(requests, lambda name: (tmp_path / name).open("rb"), 60)
    assert answer == {"failed": failed, "late": [], "unreachable": ""}
