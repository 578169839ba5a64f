"""Backends of every type, each with a store of its own, and tasks for them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from remote.backend_server import PYTHON, RemoteBackend, ServerProcess
from services.docker import DockerEngine
from services.ray_cluster import RayCluster, open_ray
from services.slurm import SlurmCluster, open_slurm
from services.ssh_node import SshNode, open_ssh
from workspaces import until

from reconciler.backends import BACKENDS, load_backend
from reconciler.model import Condition, Handle, Phase
from reconciler.model.backend import Backend
from reconciler.model.content import Content, UploadFile
from reconciler.model.tasks import Compute, Environment, Image, Prefix, Task
from reconciler.runner.descendants import find_marked
from reconciler.storage.folder_store import FolderStore

REGULAR = 0o100644
_SECONDS = 180  # for what a busy cluster does
REMOTE, DOCKER, SSH, SLURM, RAY = "remote", "docker", "ssh", "slurm", "ray"


@dataclass
class Bench:
    """One backend and the runs that were submitted to it.

    ``folder`` has the files of the backend itself, which callers do not know.
    """

    type: str
    store: FolderStore
    folder: Path
    server: ServerProcess | None = None
    engine: DockerEngine | None = None
    image: Image | None = None
    node: SshNode | None = None
    cluster: SlurmCluster | None = None
    ray: RayCluster | None = None
    prefix: Prefix = PYTHON
    seconds: float = _SECONDS
    started: dict[str, Handle] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    _opened: dict[str, Backend] = field(default_factory=dict)

    @property
    def backend(self) -> Backend:
        """The backend, opened anew, as each command of mlgit opens one."""
        if self.server:
            return RemoteBackend({"port": self.server.port}, self.folder)
        return self.open()

    def open(self, **settings: Any) -> Backend:
        """Return the backend with settings of mlgit.yml."""
        address = {"engine": self.engine.url} if self.engine else {}
        if self.node:
            return open_ssh(self.node, self.folder, **settings)
        if self.cluster:
            opening = partial(open_slurm, self.folder, self.cluster.folder / "notes")
            return self._open_once(opening, {**self.settings, **settings})
        if self.ray:
            return self._open_once(partial(open_ray, self.ray, self.folder), {"cpus": 0.5, **self.settings, **settings})
        return load_backend({"type": self.type, **address, **settings}, self.folder)

    def _open_once(self, opening: Callable[..., Backend], settings: Mapping[str, Any]) -> Backend:
        """Return the backend, the same one for the same settings: to start its program takes a quarter of a second."""
        key = json.dumps([str(self.folder), os.environ["PATH"], settings])
        if key not in self._opened:
            self._opened[key] = opening(**settings)
        return self._opened[key]

    @property
    def environment(self) -> Environment:
        """An environment of the form that the backend accepts, with a Python that has pip."""
        return self.image or self.prefix

    def task(self, command: str, files: Mapping[str, str] | None = None, name: str = "train", **fields: Any) -> Task:
        token = hashlib.sha256(f"{name} {command} {self.folder}".encode()).hexdigest()[:40]  # clusters are shared
        code = self.content(files) if files else None
        fields.setdefault("environment", self.environment)
        return Task(f"{name}-{token[:8]}", f"job/{name}", token, command, code=code, **fields)

    def narrow(self) -> tuple[Compute, str, tuple[int, int]]:
        """Return a compute that has one run at once, what the next one waits for, and how much is in use then."""
        if self.cluster:
            self.settings["partition"] = "one"
            return Compute(), "waits for resources that are in use (Resources)", (1, 1)
        if self.ray:
            self.settings["cpus"] = 2  # one of its nodes has so many
            return Compute(), "waits for a node with 2 CPUs", (2, 3)
        return Compute("narrow", {"type": "computeinstance"}), "waits for a slot", (1, 1)

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
        backend = self.backend  # one for all looks: to open some starts a process
        until(lambda: backend.poll([handle])[handle].phase not in (Phase.PENDING, Phase.RUNNING), self.seconds)
        return self.condition(handle)

    def wait_until_running(self, handle: Handle, lines: int = 1) -> None:
        """Wait until the command of a run has written its first lines."""
        backend = self.backend
        until(lambda: backend.poll([handle])[handle].phase is Phase.RUNNING, self.seconds)
        until(lambda: b"".join(backend.log(handle)).count(b"\n") >= lines, self.seconds)

    def log(self, handle: Handle) -> str:
        return b"".join(self.backend.log(handle)).decode()

    def processes(self, handle: Handle) -> tuple[int, ...]:
        """Return the processes of the command of a run, by the mark that they bear on the machine of the backend."""
        return find_marked(self.folder / "runs" / handle.id)

    def batch_script(self, handle: Handle) -> int:
        """Return the process of the batch script of a run on Slurm, which waits for one that has its spec."""
        spec = os.fsencode(self.folder / "runs" / handle.id / "spec.json")
        for path in Path("/proc").iterdir():
            with suppress(OSError):
                if path.name.isdecimal() and spec in (path / "cmdline").read_bytes().split(b"\0"):
                    parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
                    if b"slurm_script" in Path(f"/proc/{parent}/cmdline").read_bytes():
                        return parent
        raise AssertionError("the run has no batch script")

    def kill_runner(self, task: Task, handle: Handle) -> None:
        """Kill the runner of a run; the token file has its process id, or it is the first one of the container."""
        if self.engine:
            self.engine.run("kill", "--signal", "KILL", task.token)
            until(lambda: not self.is_active(handle))
            return
        os.kill(json.loads((self.folder / "tokens" / task.token).read_text())["pid"], signal.SIGKILL)
        until(lambda: not self.is_active(handle))


def share_cache(shared: Path, folder: Path) -> None:
    """Let the folder of a backend have the program, the environments and the objects that its node has already."""
    folder.mkdir()
    for name in ("programs", "environments", "store"):
        (shared / name).mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(shared / name)


# A backend that needs a service is tested with the other services.
PARAMETERS = [
    pytest.param(name, marks=pytest.mark.services) if name in {DOCKER, SSH, SLURM, RAY} else name
    for name in (*BACKENDS.names(), REMOTE)
]


@pytest.fixture(params=PARAMETERS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    store, folder = FolderStore(tmp_path / "store"), tmp_path / "backend"
    server = None
    if request.param == REMOTE:
        (tmp_path / "server").mkdir()
        server, folder = ServerProcess(tmp_path / "server"), tmp_path / "server" / "backend"
        server.start()
    bench = Bench(request.param, store, folder, server)
    if request.param == DOCKER:
        bench.engine = request.getfixturevalue("docker_engine")
        name = "mlgit-tests/python:3"
        bench.image = Image(name, bench.engine.run("image", "inspect", "--format", "{{.Id}}", name))
    if request.param == SSH:
        bench.node, bench.prefix = request.getfixturevalue("ssh_node"), request.getfixturevalue("plain_environment")
        store.root.mkdir()
        bench.node.hide(store.root)
        share_cache(bench.node.folder / "shared", folder)
    if request.param == SLURM:
        bench.cluster, bench.prefix = request.getfixturevalue("slurm"), request.getfixturevalue("plain_environment")
        store.root.mkdir()
        bench.cluster.hide(store.root)
        share_cache(bench.cluster.folder / "shared", folder)
    if request.param == RAY:
        bench.ray, bench.prefix = request.getfixturevalue("ray_cluster"), request.getfixturevalue("plain_environment")
        store.root.mkdir()
        bench.ray.hide(store.root)
        share_cache(bench.ray.folder / "shared", folder)
    yield bench
    for handle in bench.started.values():
        bench.backend.cancel(handle)
    if server:
        server.stop()


@pytest.fixture(autouse=True)
def _behaviour(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """Name the numbered behaviour that a test shows, and its backend, in the file of results."""
    mark = request.node.get_closest_marker("behaviour")
    if mark and "bench" in request.fixturenames:
        record_property("behaviour", mark.args[0])
        record_property("backend", request.node.callspec.params["bench"])
