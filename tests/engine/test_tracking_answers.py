"""A server at ``tracking:`` that is not MLflow, or repeats what it is sent: a note, no secret and no failure."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator

import pytest
from workspaces import commit

from reconciler.tracking.client import Credentials, TrackingClient, TrackingError

ANSWERS = [{}, [], {"experiment": None}, {"experiment": {"experiment_id": "1"}, "runs": [{"data": 5}]}, "text"]


class Server(http.server.ThreadingHTTPServer):
    """Answers every request the same; with ``refuses`` it says what it was sent."""

    answer: object = None
    refuses = False


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        refusal = {"error_code": "DENIED", "message": f"bad request: {self.headers['Authorization']} " + "x" * 10_000}
        data = json.dumps(refusal if self.server.refuses else self.server.answer).encode()
        self.send_response(401 if self.server.refuses else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_PUT = do_GET  # noqa: N815 - the names that the library calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is called above
        """Print nothing."""


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.mark.fast
@pytest.mark.parametrize("credentials", [Credentials("Pl4ntedToken"), Credentials("", "me", "Pl4ntedToken")])
def test_a_server_that_repeats_what_it_was_sent_shows_no_token(server, credentials):
    server.refuses = True
    client = TrackingClient(f"http://127.0.0.1:{server.server_address[1]}", credentials)
    with pytest.raises(TrackingError, match="answered 401: bad request") as error:
        client.find_experiment("x")
    assert "Pl4ntedToken" not in str(error.value)
    assert base64.b64encode(b"me:Pl4ntedToken").decode() not in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.slow
def test_a_server_that_is_no_mlflow_fails_no_apply(applied, mlgit, server):
    with (applied / "mlgit.yml").open("a", encoding="utf-8") as file:
        file.write(f"tracking: {{url: 'http://127.0.0.1:{server.server_address[1]}'}}\n")
    commit(applied)
    for answer in ANSWERS:
        server.answer = answer
        ended = mlgit("apply", "--auto-approve", cwd=applied)
        assert (ended.code, "not mirrored" in ended.out + ended.err) == (0, True), answer
        drift = mlgit("drift", cwd=applied)
        assert (drift.code, "were not compared" in drift.out + drift.err) == (0, True), answer
