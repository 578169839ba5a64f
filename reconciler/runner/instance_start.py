"""What the options do that start, or end, one of the instances of a run that are on different machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from .apart import end_killed_run, execute_apart
from .descendants import INSTANCE_VARIABLE, kill_marked
from .follower import follow
from .instances import Launch, note_lost, request_stop
from .leader import Leader
from .monitor import RunMonitor
from .ray_cluster import remove_ray_folder
from .spec import RunSpec

OpenOthers = Callable[[RunSpec, RunMonitor], AbstractContextManager[Any]]
ExecuteRun = Callable[[RunSpec, OpenOthers], int]
"""Executes a run, of which the first instance leads the others inside of the context."""


def start_instance(spec: RunSpec, launch: Launch, execute: ExecuteRun) -> int:
    """Execute an instance of a run; the first one leads the others."""
    if launch.number:
        return follow(spec, launch)
    return execute(spec, lambda spec, monitor: Leader(spec, launch, monitor))


def start_apart(spec: RunSpec, launch: Launch, execute: ExecuteRun, *, has_lease_input: bool = True) -> int:
    """Do the same in a session of its own, until the standard input ends."""
    start, end = partial(start_instance, spec, launch, execute), partial(_end_instance, spec, launch)
    return execute_apart(spec.folder, start, end, has_lease_input=has_lease_input)


def start_step(spec: RunSpec, launch: Launch, execute: ExecuteRun) -> int:
    """Do the same in a session of its own, until the process that a scheduler knows is killed."""
    return start_apart(spec, launch, execute, has_lease_input=False)


def end_instance(spec: RunSpec, launch: Launch, _execute: ExecuteRun) -> int:
    """End what its killed runner has left."""
    _end_instance(spec, launch)
    return 0


def _end_instance(spec: RunSpec, launch: Launch) -> None:
    """End what the killed runner of an instance has left; without the first one, the others are to stop."""
    kill_marked(spec.folder, f"{INSTANCE_VARIABLE}={launch.number}")
    if launch.number:
        remove_ray_folder(launch.folder(spec.folder))
        note_lost(spec.folder, launch)
    else:
        request_stop(spec.folder)
        end_killed_run(spec.folder)


_ACTIONS: Mapping[str, Callable[[RunSpec, Launch, ExecuteRun], int]] = {
    "--instance": start_instance,
    "--apart-instance": start_apart,
    "--step": start_step,
    "--end-instance": end_instance,
}


def execute_option(option: str, words: Sequence[str], spec: RunSpec, execute: ExecuteRun) -> int:
    """Do what an option asks for, with what `Launch` has: NAME NUMBER ADDRESS PROCESS."""
    name, number, address, launcher = words
    return _ACTIONS[option](spec, Launch(name, int(number), address, int(launcher)), execute)
