"""Backends of every type, each with a store of its own, and tasks for them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from remote.backend_server import PYTHON, RemoteBackend, ServerProcess
from workspaces import until

from reconciler.backends import BACKENDS, load_backend
from reconciler.model import Condition, Handle, Phase
from reconciler.model.backend import Backend
from reconciler.model.content import Content, UploadFile
from reconciler.model.tasks import Task
from reconciler.storage.folder_store import FolderStore

REGULAR = 0o100644
REMOTE = "remote"


@dataclass
class Bench:
    """One backend and the runs that were submitted to it.

    ``folder`` has the files of the backend itself, which callers do not know.
    """

    type: str
    store: FolderStore
    folder: Path
    server: ServerProcess | None = None
    started: dict[str, Handle] = field(default_factory=dict)

    @property
    def backend(self) -> Backend:
        """The backend, opened anew, as each command of mlgit opens one."""
        if self.server:
            return RemoteBackend({"port": self.server.port}, self.folder)
        return load_backend({"type": self.type}, self.folder)

    def task(self, command: str, files: Mapping[str, str] | None = None, name: str = "train", **fields: Any) -> Task:
        token = hashlib.sha256(f"{name} {command}".encode()).hexdigest()[:40]
        code = self.content(files) if files else None
        fields.setdefault("environment", PYTHON)
        return Task(f"{name}-{token[:8]}", f"job/{name}", token, command, code=code, **fields)

    def content(self, files: Mapping[str, str]) -> Content:
        """Put a folder of texts into the store."""
        return self.store.put(
            UploadFile(path, REGULAR, lambda text=text: BytesIO(text.encode())) for path, text in files.items()
        )

    def file(self, name: str, text: str) -> Content:
        """Put a single file into the store."""
        return self.store.put_file(name, BytesIO(text.encode()))

    def submit(self, task: Task) -> Handle:
        handle = self.backend.submit(task, self.store)
        self.started[task.token] = handle
        return handle

    def condition(self, handle: Handle) -> Condition:
        return self.backend.poll([handle])[handle]

    def is_active(self, handle: Handle) -> bool:
        return self.condition(handle).phase in (Phase.PENDING, Phase.RUNNING)

    def wait_until_ended(self, handle: Handle) -> Condition:
        until(lambda: not self.is_active(handle))
        return self.condition(handle)

    def wait_until_running(self, handle: Handle) -> None:
        """Wait until the command of a run has written its first line."""
        until(lambda: self.condition(handle).phase is Phase.RUNNING and self.log(handle).endswith("\n"))

    def log(self, handle: Handle) -> str:
        return b"".join(self.backend.log(handle)).decode()

    def kill_supervisor(self, task: Task, handle: Handle) -> None:
        """Kill the supervisor of a run; the token file has its process id."""
        os.kill(json.loads((self.folder / "tokens" / task.token).read_text())["pid"], signal.SIGKILL)
        until(lambda: not self.is_active(handle))


@pytest.fixture(params=[*BACKENDS.names(), REMOTE])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    store, folder = FolderStore(tmp_path / "store"), tmp_path / "backend"
    server = None
    if request.param == REMOTE:
        (tmp_path / "server").mkdir()
        server, folder = ServerProcess(tmp_path / "server"), tmp_path / "server" / "backend"
        server.start()
    bench = Bench(request.param, store, folder, server)
    yield bench
    for handle in bench.started.values():
        bench.backend.cancel(handle)
    if server:
        server.stop()


@pytest.fixture
def family(bench: Bench) -> Callable[[Handle], list[int]]:
    """Return the process ids that a run of `FAMILY` has printed."""

    def read(handle: Handle) -> list[int]:
        bench.wait_until_running(handle)
        until(lambda: bench.log(handle).count("\n") == 3)
        return [int(line) for line in bench.log(handle).splitlines()]

    return read
