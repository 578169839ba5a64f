"""The first instance of a run on several machines: it tells the others what to start, and ends the run once for all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from .artifacts import LOGGED_FOLDER, move_files
from .command import CommandValue, ShellWord
from .descendants import is_living
from .distribution import port_instances, process_roles
from .files import read_shared_json, write_json_atomically
from .instances import (
    DONE_FILE,
    END_FILE,
    LOST,
    PLAN_FILE,
    START_FILE,
    START_SECONDS,
    STOP_FILE,
    HeartbeatObserver,
    InstanceWatch,
    Launch,
    copy_log,
    describe_instance,
    disk_time,
)
from .monitor import Event, InstanceDone, InstanceFailed, InstanceLost, RunMonitor, StopRequest
from .process import JobPart
from .result import (
    METRICS_FILE,
    CommandOutcome,
    FinalStatus,
    RunFailedError,
    RunLostError,
    TrackedValues,
    parse_failure,
)
from .spec import RunSpec

_LAUNCH_SECONDS = 10.0  # after the end of the process that has started the others, for what they have written last
_END_SECONDS = 120.0  # for the others to end, above the time that their processes get
_WAIT_SECONDS = 0.2


@dataclass
class _Other:
    """Another instance: what it has said so far, and why it is lost, "" if it is not."""

    number: int
    folder: Path
    heartbeat: HeartbeatObserver
    start: dict[str, Any] | None = None
    end: dict[str, Any] | None = None
    is_done: bool = False
    loss: str = ""

    @property
    def name(self) -> str:
        host = (self.start or {}).get("host")
        return f"instance {self.number}" + (f" on {host}" if host else "")


class Leader:
    """The other instances, as the first one sees and leads them, until the context ends."""

    def __init__(self, spec: RunSpec, launch: Launch, monitor: RunMonitor) -> None:
        self._spec, self._launch, self._monitor = spec, launch, monitor
        self._folder = launch.folder(spec.folder)
        self._launcher_end: float | None = None
        self._ended_at = 0.0
        self._is_stopped = False
        self._others = [
            _Other(number, folder, HeartbeatObserver(folder))
            for number in range(1, spec.instances)
            for folder in [launch.folder(spec.folder, number)]
        ]
        self._watch = InstanceWatch(self._folder, self._look, lambda text: monitor.notify(InstanceLost(text)))

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._watch.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop_others(is_done=False)
        self._wait_for_ends()
        self._watch.stop()

    def start(self, command: str, spec: RunSpec, values: Mapping[str, CommandValue]) -> JobPart:
        """Wait for the others, tell them what to run, and return what is run here.

        The ``spec`` is that with the environment of the command, and the ``values`` are those of its expressions.
        Raises RunLostError, RunFailedError and RunCanceledError.
        """
        while not all(other.start for other in self._others):
            self._monitor.heartbeat()
            self._raise_problems()
            time.sleep(_WAIT_SECONDS)
        described = [describe_instance(self._spec, self._launch), *(other.start or {} for other in self._others)]
        hosts, free = [one["address"] for one in described], [iter(one["ports"]) for one in described]
        ports = [next(free[instance]) for instance in port_instances(spec.distribution, spec.instances)]
        plan = {
            "command": command,
            "path": list(spec.path_entries),
            "environment": dict(spec.environment),
            "values": {name: _value_to_json(value) for name, value in values.items()},
            "hosts": hosts,
            "ports": ports,
        }
        write_json_atomically(self._folder.parent / PLAN_FILE, plan)
        roles = process_roles(spec.distribution, ports, spec.instances, hosts)
        own = [role for role in roles if role.instance == 0]
        others = frozenset(role.instance for role in roles if role.instance and not role.is_server)
        return JobPart(own, others, on_end=self._on_end)

    def finish(self, outcome: CommandOutcome) -> CommandOutcome:
        """Wait until all others have ended; return the outcome of all: of several failures, the first one.

        Raises RunLostError if an instance was lost, which may be why another one has failed.
        """
        self._wait_for_ends()
        if outcome.status is not FinalStatus.FAILED or outcome.failure is None or outcome.failure.kind != "user":
            return outcome
        for other in self._others:
            if other.loss and not other.is_done:
                raise RunLostError(other.loss)
        outcomes = [(self._ended_at, outcome)]
        for other in self._others:
            if other.end and (failure := parse_failure(other.end.get("failure"))):
                first = CommandOutcome(FinalStatus.FAILED, failure, failure.exit_code)
                outcomes.append((float(other.end.get("ended_at", self._ended_at)), first))
        return min(outcomes, key=lambda pair: pair[0])[1]

    def add_tracked(self, own: TrackedValues) -> TrackedValues:
        """Return what all instances have logged; the first one counts where several have logged a name."""
        metrics, params, tags, models = dict(own.metrics), dict(own.params), dict(own.tags), dict(own.models)
        for other in self._others:
            tracked = (other.end or {}).get("tracked", {})
            for values, name in ((metrics, "metrics"), (params, "params"), (tags, "tags"), (models, "models")):
                values.update({key: value for key, value in tracked.get(name, {}).items() if key not in values})
            _append_file(other.folder / METRICS_FILE, self._spec.folder / METRICS_FILE)
            logged = other.folder / LOGGED_FOLDER
            move_files(logged, self._spec.folder / LOGGED_FOLDER, logged.resolve())
        return TrackedValues(metrics, params, tags, models)

    def _on_end(self, is_done: bool) -> None:  # noqa: FBT001 - called by `execute_command` with this only
        self._ended_at = disk_time(self._folder)
        self._stop_others(is_done=is_done)

    def _stop_others(self, *, is_done: bool) -> None:
        if not self._is_stopped:
            self._is_stopped = True
            write_json_atomically(self._folder.parent / STOP_FILE, {"is_done": is_done})

    def _wait_for_ends(self) -> None:
        """Wait until all others have ended, or are lost."""
        deadline = time.monotonic() + self._spec.grace + _END_SECONDS
        while not all(other.end or other.loss for other in self._others) and time.monotonic() < deadline:
            self._monitor.wait_for_event(time.monotonic() + _WAIT_SECONDS)

    def _raise_problems(self) -> None:
        for other in self._others:
            if other.loss:
                raise RunLostError(other.loss)
            if other.end and (failure := parse_failure(other.end.get("failure"))):
                raise RunFailedError(failure)

    def _look(self) -> None:
        """Look at the files of the others."""
        for other in self._others:
            if other.end or other.loss:
                continue
            other.start = other.start or read_shared_json(other.folder / START_FILE)
            other.end = read_shared_json(other.folder / END_FILE)
            copy_log(self._spec.folder, other.folder, is_complete=other.end is not None)
            event = self._read_end(other, other.end) if other.end else self._read_signs(other)
            if event is not None:
                self._monitor.notify(event)

    def _read_end(self, other: _Other, end: Mapping[str, Any]) -> Event | None:
        if end.get("status") == FinalStatus.COMPLETED:
            return None if other.is_done else InstanceDone(other.number)
        if failure := parse_failure(end.get("failure")):
            return InstanceFailed(failure)
        if end.get("status") == LOST:
            other.loss = f"the runner of {other.name} was killed"
            return InstanceLost(other.loss)
        return None if self._is_stopped else StopRequest()  # it was asked to by others

    def _read_signs(self, other: _Other) -> Event | None:
        """Return what is seen of an instance that has not said how it ended."""
        if not other.is_done and (other.folder / DONE_FILE).exists():
            other.is_done = True
            return InstanceDone(other.number)
        limit = self._spec.silence if other.start else START_SECONDS
        if other.heartbeat.silent_seconds() > limit:
            other.loss = f"{other.name} has shown no sign of life for {limit:g} s"
        elif self._is_launcher_gone():
            other.loss = f"{other.name} has ended" if other.start else f"{other.name} could not be started"
        return InstanceLost(other.loss) if other.loss else None

    def _is_launcher_gone(self) -> bool:
        """Return True if the process that has started the others has ended some seconds ago."""
        if not self._launch.launcher or is_living(self._launch.launcher):
            return False
        self._launcher_end = self._launcher_end or time.monotonic()
        return time.monotonic() - self._launcher_end > _LAUNCH_SECONDS


def _value_to_json(value: CommandValue) -> dict[str, Any]:
    return {"word": value.text} if isinstance(value, ShellWord) else {"value": value.value}


def _append_file(source: Path, target: Path) -> None:
    if source.is_file():
        with source.open("rb") as own, target.open("ab") as file:
            shutil.copyfileobj(own, file)
