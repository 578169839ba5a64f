"""Backends of every type, each with a store of its own, and tasks for them."""

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

from reconciler.backends import BACKENDS, Backend, Task, load_backend
from reconciler.model import Address, Run, RunReport, RunStatus
from reconciler.runner.spec import StagedFile

REGULAR = 0o100644


@dataclass
class Bench:
    """One backend and the runs that were submitted to it."""

    type: str
    store: Path
    started: list[str] = field(default_factory=list)

    @property
    def backend(self) -> Backend:
        """A new handle on the backend, as each command of mlgit opens one."""
        return load_backend({"type": self.type}, self.store)

    def task(self, command: str, files: Mapping[str, str] | None = None, name: str = "train", **fields: Any) -> Task:
        token = hashlib.sha256(f"{name} {command}".encode()).hexdigest()[:40]
        run = Run(f"{name}-{token[:8]}", Address("job", name), token, "f" * 40, 1, self.type, RunStatus.INTENDED)
        code = tuple(self.staged_file(path, text) for path, text in (files or {}).items())
        return Task(run, command, code, path_entries=(str(Path(sys.executable).parent),), **fields)

    def staged_file(self, path: str, text: str) -> StagedFile:
        """Put a text into the store and return how a task names it."""
        stored = self.store / "files" / hashlib.sha256(text.encode()).hexdigest()
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_text(text, encoding="utf-8")
        return StagedFile(path, stored, REGULAR)

    def submit(self, task: Task) -> Run:
        self.started.append(task.run.id)
        self.backend.submit(self.backend.make_submission(task))
        return task.run

    def report(self, run: Run) -> RunReport:
        return self.backend.poll([run.id])[run.id]

    def wait_until_ended(self, run: Run) -> RunReport:
        until(lambda: not self.report(run).status.is_active)
        return self.report(run)

    def wait_until_running(self, run: Run) -> None:
        """Wait until the command of a run has written its first line."""
        until(lambda: self.report(run).status is RunStatus.RUNNING and self.log(run).endswith("\n"))

    def log(self, run: Run) -> str:
        path = self.backend.log_path(run.id)
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def kill_supervisor(self, run: Run) -> None:
        """Kill the supervisor of a run; the token file has its process id."""
        os.kill(json.loads((self.store / "tokens" / run.token).read_text())["pid"], signal.SIGKILL)
        until(lambda: not self.report(run).status.is_active)


@pytest.fixture(params=BACKENDS.names())
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(request.param, tmp_path / "store")
    yield bench
    for run in bench.started:
        bench.backend.cancel(run)


@pytest.fixture
def family(bench: Bench) -> Callable[[Run], list[int]]:
    """Return the process ids that a run of `FAMILY` has printed."""

    def read(run: Run) -> list[int]:
        bench.wait_until_running(run)
        until(lambda: bench.log(run).count("\n") == 3)
        return [int(line) for line in bench.log(run).splitlines()]

    return read
