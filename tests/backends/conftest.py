"""Backends of every sort, each with a store of its own, and runs to give them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from workspaces import until

from reconciler import backends
from reconciler.backends import Backend, Task
from reconciler.model import Address, Run, RunReport, RunStatus

REGULAR = 0o100644


@dataclass
class Bench:
    """One backend and what was given to it."""

    kind: str
    store: Path
    started: list[str] = field(default_factory=list)

    @property
    def backend(self) -> Backend:
        """Open it anew, as each command of mlgit does."""
        return backends.load_backend({"type": self.kind}, self.store)

    def work(self, command: str, files: Mapping[str, str] | None = None, name: str = "train", **more: Any) -> Task:
        token = hashlib.sha256(f"{name} {command}".encode()).hexdigest()[:40]
        run = Run(f"{name}-{token[:8]}", Address("job", name), token, "f" * 40, 1, self.kind, RunStatus.INTENDED)
        code = tuple((path, str(self.put(text)), REGULAR) for path, text in (files or {}).items())
        return Task(run, command, code, path_entries=(str(Path(sys.executable).parent),), **more)

    def put(self, text: str) -> Path:
        """Put a text into the store and return the object."""
        stored = self.store / "files" / hashlib.sha256(text.encode()).hexdigest()
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_text(text, encoding="utf-8")
        return stored

    def submit(self, work: Task) -> Run:
        self.started.append(work.run.id)
        self.backend.submit(self.backend.make_submission(work))
        return work.run

    def report(self, run: Run) -> RunReport:
        return self.backend.poll([run.id])[run.id]

    def ended(self, run: Run) -> RunReport:
        """Wait until a run has ended."""
        until(lambda: not self.report(run).status.is_active)
        return self.report(run)

    def running(self, run: Run) -> None:
        """Wait until a run is at work and has written its first line."""
        until(lambda: self.report(run).status is RunStatus.RUNNING and self.log(run).endswith("\n"))

    def log(self, run: Run) -> str:
        path = self.backend.log_path(run.id)
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def kill_supervisor(self, run: Run) -> None:
        """Kill what looks after a run; its claim of the token says which process that is."""
        os.kill(json.loads((self.store / "claims" / run.token).read_text())["pid"], signal.SIGKILL)
        until(lambda: not self.report(run).status.is_active)


@pytest.fixture(params=backends.backend_names())
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(request.param, tmp_path / "store")
    yield bench
    for run in bench.started:
        bench.backend.cancel(run)


@pytest.fixture
def family(bench: Bench) -> Callable[[Run], list[int]]:
    """Read the processes that a run of `FAMILY` has noted."""

    def read(run: Run) -> list[int]:
        bench.running(run)
        until(lambda: bench.log(run).count("\n") == 3)
        return [int(line) for line in bench.log(run).splitlines()]

    return read
