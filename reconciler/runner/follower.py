"""An instance of a run on several machines but the first one: it runs its processes of the job as it is told."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from .command import CommandValue, RawText, ShellWord
from .descendants import INSTANCE_VARIABLE
from .distribution import ProcessRole, process_roles
from .environment import command_variables
from .files import read_shared_json, write_json_atomically
from .instances import (
    DONE_FILE,
    END_FILE,
    PLAN_FILE,
    START_FILE,
    START_SECONDS,
    STOP_FILE,
    HeartbeatObserver,
    InstanceWatch,
    Launch,
    describe_instance,
    disk_time,
)
from .monitor import InstanceDone, RunMonitor, StopRequest
from .process import JobPart, execute_command
from .result import (
    LOG_FILE,
    METRICS_FILE,
    CommandOutcome,
    Failure,
    FinalStatus,
    RunCanceledError,
    RunFailedError,
    TrackedValues,
)
from .spec import RunSpec
from .tracking import open_tracking
from .workdir import CODE_FOLDER

_WAIT_SECONDS = 0.2


class _Follower:
    """What an instance knows of the first one, whose end ends it."""

    def __init__(self, spec: RunSpec, launch: Launch) -> None:
        self.spec, self.launch, self.folder = spec, launch, launch.folder(spec.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.monitor = RunMonitor(self.folder)
        self.monitor.install_signal_handlers()
        self.ended_at = 0.0
        self._leader = HeartbeatObserver(launch.folder(spec.folder, 0))
        self._has_plan = self._is_stopped = False
        self.watch = InstanceWatch(self.folder, self._look, lambda _text: self.monitor.notify(StopRequest()))

    def wait_for_plan(self) -> dict[str, Any]:
        """Return what the first instance tells; raises RunCanceledError if that is to stop."""
        while (plan := read_shared_json(self.folder.parent / PLAN_FILE)) is None:
            self.monitor.heartbeat()
            time.sleep(_WAIT_SECONDS)
        self._has_plan = True
        return plan

    def execute(self, plan: Mapping[str, Any]) -> tuple[CommandOutcome, TrackedValues]:
        """Run the processes of this instance, with a log and a tracking of its own."""
        spec = replace(self.spec, path_entries=tuple(plan["path"]), environment=plan["environment"])
        own = replace(spec, folder=self.folder, timeout=None)  # the first instance has the time limit
        all_roles = process_roles(spec.distribution, plan["ports"], spec.instances, plan["hosts"])
        roles = [role for role in all_roles if role.instance == self.launch.number]
        part = JobPart(roles, frozenset({0}), partial(self._on_done, roles), self._on_end)
        values = {name: _parse_value(value) for name, value in plan["values"].items()}
        with open_tracking(own) as tracking:
            variables = command_variables(os.environ, spec, tracking.variables, values)
            variables[INSTANCE_VARIABLE] = str(self.launch.number)
            code = self.spec.folder / CODE_FOLDER
            outcome = execute_command(plan["command"], code, variables, own, self.monitor, part)
            return outcome, tracking.finish(outcome.status)

    def _on_done(self, roles: Iterable[ProcessRole]) -> None:
        """Say that the processes here have done their part; one of servers alone has none, and is needed to the end."""
        if not all(role.is_server for role in roles):
            write_json_atomically(self.folder / DONE_FILE, {})

    def _on_end(self, _is_done: bool) -> None:  # noqa: FBT001 - called by `execute_command` with this only
        self.ended_at = disk_time(self.folder)

    def _look(self) -> None:
        """Look whether the first instance has ended the run, or is lost."""
        if self._is_stopped:
            return
        stop = read_shared_json(self.folder.parent / STOP_FILE)
        if stop is not None:
            self._is_stopped = True
            self.monitor.notify(InstanceDone(0) if stop.get("is_done") else StopRequest())
        elif self._leader.silent_seconds() > (self.spec.silence if self._has_plan else START_SECONDS):
            self._is_stopped = True
            self.monitor.notify(StopRequest())


def follow(spec: RunSpec, launch: Launch) -> int:
    """Execute an instance of a run; how it has ended is in its folder. Return the exit code of the runner."""
    follower = _Follower(spec, launch)
    (follower.folder / LOG_FILE).parent.mkdir(exist_ok=True)
    (follower.folder / LOG_FILE).touch()
    (follower.folder / METRICS_FILE).touch()
    tracked = TrackedValues()
    follower.watch.start()
    try:
        write_json_atomically(follower.folder / START_FILE, describe_instance(spec, launch))
        outcome, tracked = follower.execute(follower.wait_for_plan())
    except RunCanceledError:
        outcome = CommandOutcome(FinalStatus.CANCELED)
    except RunFailedError as error:
        outcome = CommandOutcome(FinalStatus.FAILED, error.failure)
    except Exception as error:  # noqa: BLE001 - the first instance is to know
        sys.excepthook(*sys.exc_info())
        message = f"the runner of instance {launch.number} failed: {type(error).__name__}: {error}"
        outcome = CommandOutcome(FinalStatus.FAILED, Failure("engine", message))
    _write_end(follower.folder, outcome, tracked, follower.ended_at or disk_time(follower.folder))
    follower.watch.stop()
    return 0


def _write_end(folder: Path, outcome: CommandOutcome, tracked: TrackedValues, ended_at: float) -> None:
    failure = outcome.failure.to_json() if outcome.failure else None
    end = {"status": outcome.status, "failure": failure, "ended_at": ended_at, "tracked": asdict(tracked)}
    write_json_atomically(folder / END_FILE, end)


def _parse_value(document: Mapping[str, Any]) -> CommandValue:
    return ShellWord(document["word"]) if "word" in document else RawText(document["value"])
