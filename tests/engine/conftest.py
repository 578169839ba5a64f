"""Fixtures: a job whose executions are counted and whose end the test decides, and ways to kill what runs it."""

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

# Records its process id, then runs the body that the test gives.
_SCRIPT = """
import os, pathlib, sys, time
here = pathlib.Path({here!r})
print("at work")
with (here / "executions").open("a") as file:
    file.write(f"{{os.getpid()}}\\n")
{body}
pathlib.Path(sys.argv[3], "total.txt").write_text("6")
"""
_WAIT_FOR_GO = """
deadline = time.monotonic() + 300
while not (here / "go").exists() and time.monotonic() < deadline:
    time.sleep(0.02)
"""


@dataclass(frozen=True)
class ObservedWorkspace:
    """A workspace with one job whose executions are recorded."""

    folder: Path

    @property
    def top(self) -> Path:
        return self.folder.parent

    def script(self, body: str) -> None:
        """Make the job execute this code."""
        write(self.folder, {"src/sum.py": _SCRIPT.format(here=str(self.top), body=body)})
        commit(self.folder)

    def executions(self) -> list[int]:
        """Return the process id of each execution so far."""
        path = self.top / "executions"
        return [int(line) for line in path.read_text().splitlines()] if path.exists() else []

    def let_it_end(self) -> None:
        """Let the waiting job end."""
        (self.top / "go").touch()

    def kill_supervisor(self) -> None:
        """Kill the supervisor of the newest run, as the kernel does when memory runs out."""
        paths = self.folder.glob(".mlgit/store/runs/*/supervisor.json")
        path = max(paths, key=lambda path: path.stat().st_mtime_ns)
        until(path.with_name("command.json").exists)
        os.kill(json.loads(path.read_text())["pid"], signal.SIGKILL)


@pytest.fixture
def workspace(small: Path) -> ObservedWorkspace:
    """Return a workspace whose job ends at once."""
    workspace = ObservedWorkspace(small)
    workspace.script("")
    return workspace


@pytest.fixture
def waiting(workspace: ObservedWorkspace) -> Iterator[ObservedWorkspace]:
    """Yield a workspace whose job runs until the test lets it end."""
    workspace.script(_WAIT_FOR_GO)
    yield workspace
    workspace.let_it_end()


@pytest.fixture
def run_json(mlgit: Callable[..., Any]) -> Callable[..., list[dict[str, Any]]]:
    """Return a function that runs a command and returns its JSON: ``run_json(folder, "job", "list")``."""

    def run_json(folder: Path, *command: str) -> list[dict[str, Any]]:
        result = mlgit(*command, "--format", "json", cwd=folder)
        assert result.code == 0, result.err
        entries: list[dict[str, Any]] = json.loads(result.out)
        return entries

    return run_json


@dataclass
class HangingIndex:
    """A package index that accepts requests and never responds."""

    server: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    requested: threading.Event = field(default_factory=threading.Event)
    disconnected: threading.Event = field(default_factory=threading.Event)

    @property
    def environment(self) -> Mapping[str, str]:
        return {"UV_DEFAULT_INDEX": f"http://127.0.0.1:{self.server.getsockname()[1]}/simple", "NO_PROXY": "127.0.0.1"}

    def listen(self) -> None:
        with suppress(OSError):  # a killed client may reset its connection
            connection, _ = self.server.accept()
            with connection:
                self.requested.set()
                while connection.recv(4096):
                    pass
        self.disconnected.set()


@pytest.fixture
def hanging_index(workspace: ObservedWorkspace) -> Iterator[HangingIndex]:
    """Make the environment of the workspace need a package that its index never delivers."""
    edit(workspace.folder, "environments/plain.yml", '"python>=3.11"', '"python>=3.11", {pip: [slowpoke]}')
    commit(workspace.folder)
    index = HangingIndex()
    with index.server:
        threading.Thread(target=index.listen, daemon=True).start()
        yield index


# The venv builder, which records each build and waits until the test lets it go on, or it is stopped.
_PACED = """
import dataclasses, pathlib, threading, time
from reconciler.builders import venv
from reconciler.builders._venv import VenvBuilder
from reconciler.diagnostics import user_error

here = pathlib.Path(__file__).parent

class Paced(VenvBuilder):
    def __init__(self, settings, root, workspace):
        super().__init__(here / "environments")
        self.stopped = threading.Event()

    def build(self, plan, store, progress):
        name = plan.address.partition("/")[2]
        with (here / "builds").open("a") as file:
            file.write(name + "\\n")
        deadline = time.monotonic() + 300
        while not (here / "go").exists() and time.monotonic() < deadline:
            if self.stopped.wait(0.02):
                raise user_error("build-stopped", "the build was stopped", "run `mlgit apply` again to go on")
        return super().build(plan, store, progress)

    def stop(self):
        self.stopped.set()

BUILDER = dataclasses.replace(venv.BUILDER, open="paced:Paced")
"""


@dataclass(frozen=True)
class Paced:
    """A builder that builds when the test lets it."""

    folder: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables with which a process of mlgit finds the builder."""
        return {"PYTHONPATH": str(self.folder)}

    def builds(self) -> list[str]:
        """Return the names of the builds that were started, in order."""
        path = self.folder / "builds"
        return path.read_text().splitlines() if path.exists() else []

    def go_on(self) -> None:
        """Let builds finish."""
        (self.folder / "go").touch()


@pytest.fixture
def paced(workspace: ObservedWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paced]:
    """Build the environment of the workspace when the test lets it, with a lease of a few seconds.

    Not of one: on a busy machine a heartbeat comes as much later.
    """
    builder = Paced(tmp_path / "paced")
    write(
        builder.folder,
        {
            "paced.py": _PACED,
            "paced-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: paced\nVersion: 1\n",
            "paced-1.dist-info/entry_points.txt": "[mlgit.builders]\npaced = paced:BUILDER\n",
        },
    )
    monkeypatch.syspath_prepend(builder.folder)
    monkeypatch.setenv("MLGIT_HOST", "here")
    monkeypatch.setenv("USER", "ada")
    edit(workspace.folder, "mlgit.yml", "name: small,", "name: small, lease: 4,")
    edit(workspace.folder, "mlgit.yml", "store: {", "builders: {paced: {type: paced}}\nstore: {")
    commit(workspace.folder)
    yield builder
    builder.go_on()
