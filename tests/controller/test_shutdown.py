"""SIGTERM: running actions finish and are recorded, no action is started; a second signal interrupts them."""

from __future__ import annotations

import base64
import hashlib
import io
import signal
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reconciler.cli.reconcile import _SHUTDOWN_MESSAGE

pytestmark = pytest.mark.slow

_WHEEL = "slowpoke-1.0-py3-none-any.whl"


def wheel():
    """Return an empty package."""
    info = {"METADATA": "Metadata-Version: 2.1\nName: slowpoke\nVersion: 1.0\n", "WHEEL": _TAGS}
    files = {"slowpoke.py": "", **{f"slowpoke-1.0.dist-info/{name}": text for name, text in info.items()}}
    rows = [f"{name},sha256={digest(text)},{len(text)}" for name, text in files.items()]
    record = "slowpoke-1.0.dist-info/RECORD"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in {**files, record: "\n".join([*rows, f"{record},,", ""])}.items():
            archive.writestr(name, text)
    return packed.getvalue()


_TAGS = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


class SlowIndex:
    """A package index that responds when the test lets it."""

    def __init__(self):
        self.asked, self.let = threading.Event(), threading.Event()
        page = f'<!DOCTYPE html><html><body><a href="/{_WHEEL}">{_WHEEL}</a></body></html>'.encode()
        answers = {"/simple/slowpoke/": ("text/html", page), f"/{_WHEEL}": ("application/zip", wheel())}
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                index.asked.set()
                index.let.wait(180)
                sort, body = answers.get(self.path, ("text/plain", b""))
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", sort)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # the client may have been killed
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def environment(self):
        url = f"http://127.0.0.1:{self.server.server_address[1]}/simple"
        return {"UV_DEFAULT_INDEX": url, "NO_PROXY": "127.0.0.1"}


@pytest.fixture
def index():
    index = SlowIndex()
    yield index
    index.let.set()
    index.server.shutdown()
    index.server.server_close()


@pytest.fixture
def building(site, controller, index, tmp_path, monkeypatch):
    """Return a controller that is building an environment."""
    site.edit("environments/plain.yml", '"python>=3.11"', '"python>=3.11", {pip: [slowpoke]}')
    monkeypatch.setenv("MLGIT_CACHE_DIR", str(tmp_path / "cache"))
    running = controller(env=index.environment)
    running.wait_for("build with venv: resolving 1 package")
    assert index.asked.wait(120)
    return running


def test_a_build_finishes_and_no_action_is_started(building, index, site, mlgit):
    building.send_signal(signal.SIGTERM)
    index.let.set()
    assert building.process.wait(180) == 0
    assert building.count("done    environment/plain: build with venv") == 1
    assert building.count("first run of job/sum") == 0
    assert building.process.stderr.read() == _SHUTDOWN_MESSAGE.decode()
    result = mlgit("reconcile", "--once", cwd=site.clone)
    assert "done    first run of job/sum" in result.out
    assert "resolving" not in result.out


def test_a_second_signal_stops_a_build(building, site, mlgit):
    building.send_signal(signal.SIGTERM)
    assert building.process.stderr.readline() == _SHUTDOWN_MESSAGE.decode()
    building.send_signal(signal.SIGTERM)
    assert building.process.wait(120) == 130
    assert building.count("done    environment/plain") == 0
    assert mlgit("unlock", cwd=site.clone).code == 0
