"""Frozen graphs made by hand, with the store and the backend that they run on."""

from __future__ import annotations

import hashlib
import io
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remote.backend_server import PYTHON
from workspaces import until

from reconciler.engine.driver.backend import DriverBackend
from reconciler.engine.driver.graph import Binding, FrozenGraph, FrozenStep, encode_graph
from reconciler.engine.driver.process import StoreSettings
from reconciler.engine.driver.reuse import make_static_key
from reconciler.model import Condition, Handle, Phase, StepOutput
from reconciler.model.step_runs import DRIVER_GONE, StepRun
from reconciler.model.tasks import Task, TaskOutput
from reconciler.storage.folder_store import FolderStore

FOLDER = "uri_folder"
WRITE = "echo {} > ${{{{outputs.out}}}}/x"


def make_step(path: str, command: str, reads: Mapping[str, str] | None = None, **fields: Any) -> FrozenStep:
    """Return a step that writes the output ``out``; ``reads`` has by the name of an input the step it is bound to."""
    task = Task("", f"job/pipe/{path}", "", command, PYTHON, step=path, outputs={"out": TaskOutput(FOLDER)})
    bindings = {name: Binding(StepOutput(source, "out"), FOLDER, "ro_mount") for name, source in (reads or {}).items()}
    return FrozenStep(path, "local", task, bindings, make_static_key(task, "environment"), **fields)


def make_graph(steps: Iterable[FrozenStep], name: str = "1", **fields: Any) -> FrozenGraph:
    """Return a graph whose result is what its last step writes; ``name`` tells one submission from another."""
    by_path = {step.path: step for step in steps}
    token = hashlib.sha256(name.encode()).hexdigest()
    fields.setdefault("backends", {"local": {"type": "local"}})
    outputs = {"result": StepOutput(next(reversed(by_path)), "out")} if by_path else {}
    return FrozenGraph(f"pipe-{token[:8]}", token, "job/pipe", "1" * 32, by_path, outputs, **fields)


@dataclass
class Site:
    """A machine with a store; ``submitted`` are the runs to stop when the test has ended."""

    folder: Path
    host: str = field(default_factory=lambda: os.uname().nodename)
    submitted: list[Handle] = field(default_factory=list)

    @property
    def store(self) -> FolderStore:
        return FolderStore(self.folder / "store")

    @property
    def driver(self) -> DriverBackend:
        """The driver's backend, opened anew, as each command of mlgit opens it."""
        settings = StoreSettings("folder", {"path": "store"}, str(self.folder))
        return DriverBackend(self.folder / "store", settings, self.host, lambda: self.store)

    def put(self, graph: FrozenGraph) -> Task:
        """Put a graph into the store and return the task that submits it."""
        content = self.store.put_file("graph.json", io.BytesIO(encode_graph(graph)))
        return Task(graph.run, graph.address, graph.token, "", PYTHON, code=content)

    def submit(self, graph: FrozenGraph) -> Handle:
        handle = self.driver.submit(self.put(graph), self.store)
        self.submitted.append(handle)
        return handle

    def condition(self, handle: Handle) -> Condition:
        return self.driver.poll([handle])[handle]

    def wait(self, handle: Handle, seconds: float = 120) -> Condition:
        """Wait until a run has ended."""
        until(lambda: self.condition(handle).phase is not Phase.RUNNING, seconds)
        return self.condition(handle)

    def run(self, graph: FrozenGraph) -> dict[str, StepRun]:
        """Run a graph to its end and return its steps by path."""
        handle = self.submit(graph)
        self.wait(handle)
        return self.steps(handle)

    def steps(self, handle: Handle) -> dict[str, StepRun]:
        return {step.step: step for step in self.driver.steps(handle)}

    def log(self, handle: Handle) -> str:
        return b"".join(self.driver.log(handle)).decode()


def driver_processes(site: Site, handle: Handle) -> Iterator[int]:
    """Yield the processes that drive a run."""
    settings = str(site.folder / "store/drivers" / handle.id / "driver.json")
    for process in Path("/proc").iterdir():
        with suppress(OSError):  # it has ended, or is no process
            if settings in (process / "cmdline").read_text("utf-8").split("\0"):
                yield int(process.name)


def kill_driver(site: Site, handle: Handle) -> None:
    """Kill the driver of a run, and wait until it has gone."""
    for process in driver_processes(site, handle):
        with suppress(ProcessLookupError):  # what the driver starts looks like it for a moment
            os.kill(process, signal.SIGKILL)
    until(lambda: site.condition(handle).reason == DRIVER_GONE)
