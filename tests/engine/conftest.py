"""A job whose executions are counted and whose end the test decides, and ways to break what runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from workspaces import commit, edit, until, write

# Notes its process, then does what the test says.
_SCRIPT = """
import os, pathlib, sys, time
here = pathlib.Path({here!r})
with (here / "executions").open("a") as file:
    file.write(f"{{os.getpid()}}\\n")
print("at work")
{body}
pathlib.Path(sys.argv[3], "total.txt").write_text("6")
"""
_UNTIL_TOLD = """
deadline = time.monotonic() + 60
while not (here / "go").exists() and time.monotonic() < deadline:
    time.sleep(0.02)
"""


@dataclass(frozen=True)
class Bench:
    """A workspace with one job under observation."""

    folder: Path

    @property
    def here(self) -> Path:
        return self.folder.parent

    def script(self, body: str) -> None:
        """Make the job do this."""
        write(self.folder, {"src/sum.py": _SCRIPT.format(here=str(self.here), body=body)})
        commit(self.folder)

    def executions(self) -> list[int]:
        """Give the process of each execution so far."""
        noted = self.here / "executions"
        return [int(line) for line in noted.read_text().splitlines()] if noted.exists() else []

    def let_it_end(self) -> None:
        """Tell the job that waits for it to end."""
        (self.here / "go").touch()

    def kill_supervisor(self) -> None:
        """Kill what looks after the newest run, as the kernel would if the memory ran out."""
        noted = self.folder.glob(".mlgit/store/runs/*/supervisor.json")
        path = max(noted, key=lambda path: path.stat().st_mtime_ns)
        until(path.with_name("command.json").exists)
        os.kill(json.loads(path.read_text())["pid"], signal.SIGKILL)


@pytest.fixture
def bench(small: Path) -> Bench:
    """Make a workspace whose job ends at once."""
    bench = Bench(small)
    bench.script("")
    return bench


@pytest.fixture
def waiting(bench: Bench) -> Iterator[Bench]:
    """Make a workspace whose job runs until the test lets it end."""
    bench.script(_UNTIL_TOLD)
    yield bench
    bench.let_it_end()


@pytest.fixture
def listed(mlgit: Callable[..., Any]) -> Callable[..., list[dict[str, Any]]]:
    """Read what a command lists as JSON: ``listed(folder, "job", "list")``."""

    def read(folder: Path, *command: str) -> list[dict[str, Any]]:
        ended = mlgit(*command, "--format", "json", cwd=folder)
        assert ended.code == 0, ended.err
        found: list[dict[str, Any]] = json.loads(ended.out)
        return found

    return read


@dataclass
class HangingIndex:
    """A package index that takes a question and never answers it."""

    server: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    asked: threading.Event = field(default_factory=threading.Event)
    left_alone: threading.Event = field(default_factory=threading.Event)

    @property
    def environment(self) -> Mapping[str, str]:
        return {"UV_DEFAULT_INDEX": f"http://127.0.0.1:{self.server.getsockname()[1]}/simple", "NO_PROXY": "127.0.0.1"}

    def listen(self) -> None:
        with suppress(OSError):  # what is killed may reset its connection
            connection, _ = self.server.accept()
            with connection:
                self.asked.set()
                while connection.recv(4096):
                    pass
        self.left_alone.set()


@pytest.fixture
def hanging_index(bench: Bench) -> Iterator[HangingIndex]:
    """Make the bench's environment ask for a package that its index never delivers."""
    edit(bench.folder, "environments/plain.yml", '"python>=3.11"', '"python>=3.11", {pip: [slowpoke]}')
    commit(bench.folder)
    index = HangingIndex()
    with index.server:
        threading.Thread(target=index.listen, daemon=True).start()
        yield index


# The venv builder, which notes each build and goes on with it when the test lets it, or is stopped.
_PACED = """
import pathlib, threading, time
from reconciler.builders.venv import VenvBuilder
from reconciler.diagnostics import user_error

here = pathlib.Path(__file__).parent

class Paced(VenvBuilder):
    def __init__(self, root):
        super().__init__(here / "environments")
        self.stopped = threading.Event()

    def build(self, request, progress):
        name = request.address.partition("/")[2]
        with (here / "builds").open("a") as file:
            file.write(name + "\\n")
        deadline = time.monotonic() + 120
        while not (here / "go").exists() and time.monotonic() < deadline:
            if self.stopped.wait(0.02):
                raise user_error("build-stopped", "the build was stopped", "run `mlgit apply` again to go on")
        return super().build(request, progress)

    def stop(self):
        self.stopped.set()
"""


@dataclass(frozen=True)
class Paced:
    """A builder that builds when it is told to."""

    folder: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes a process of mlgit find it."""
        return {"PYTHONPATH": str(self.folder)}

    def builds(self) -> list[str]:
        """Name what was begun to be built, in order."""
        noted = self.folder / "builds"
        return noted.read_text().splitlines() if noted.exists() else []

    def go_on(self) -> None:
        """Let builds end."""
        (self.folder / "go").touch()


@pytest.fixture
def paced(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paced]:
    """Have the bench's environment built when the test says so, with a lease of a second."""
    found = Paced(tmp_path / "paced")
    write(
        found.folder,
        {
            "paced.py": _PACED,
            "paced-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: paced\nVersion: 1\n",
            "paced-1.dist-info/entry_points.txt": "[mlgit.builders]\npaced = paced:Paced\n",
        },
    )
    monkeypatch.syspath_prepend(found.folder)
    monkeypatch.setenv("MLGIT_HOST", "here")
    monkeypatch.setenv("USER", "ada")
    edit(bench.folder, "mlgit.yml", "name: small,", "name: small, lease: 1,")
    edit(bench.folder, "mlgit.yml", "store: {", "builder: paced\nstore: {")
    commit(bench.folder)
    yield found
    found.go_on()
