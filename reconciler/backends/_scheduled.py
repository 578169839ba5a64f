"""What the backends do whose runs are jobs of a scheduler, by their tokens, in folders that all nodes see.

The result of a run is what stands in its folder; the scheduler is asked of those without one, by one request for all.
A backend adds how it submits a job, lists the jobs that there are, and stops one.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

from reconciler.backends._folders import FolderBackend, make_private_folders, write_private_json
from reconciler.backends._local_processes import SPEC_FILE
from reconciler.backends._local_queue import write_final_result
from reconciler.backends._runner import find_python, install_runner, make_spec, prefix_environment, result_condition
from reconciler.diagnostics import UserError
from reconciler.model import Json
from reconciler.model.object_store import ObjectStore
from reconciler.model.providers import CANCELED, Condition, Handle, Phase
from reconciler.model.tasks import Task
from reconciler.private_files import touch_private_file
from reconciler.runner.apart import END_FILE
from reconciler.runner.files import read_json_object, reserve_token
from reconciler.runner.instances import complete_log, read_loss
from reconciler.runner.monitor import HEARTBEAT_FILE
from reconciler.runner.process import COMMAND_FILE
from reconciler.runner.result import RESULT_FILE, CommandOutcome, FinalStatus

_JOB_FILE, _CANCEL_FILE, _CLOCK_FILE = "job.json", "cancel", "clock"
_SILENT_SECONDS = 15.0  # after which a run without a heartbeat has ended; one is due every two seconds
_KILLED = "its runner was killed"
_STOPPED = "it was stopped, because its node or the cluster was"
_FORGOTTEN = "it has left no result, and {} does not know its job any more"


class JobState(Enum):
    """What a scheduler says of a job."""

    WAITING = auto()
    RUNNING = auto()
    STOPPED = auto()  # because that was asked for
    ENDED = auto()


class Job(NamedTuple):
    """A job of a scheduler: what one waits for whose runner does not run, or why it has ended."""

    state: JobState
    message: str = ""


class ScheduledBackend(FolderBackend):
    """Runs jobs as those of a scheduler; ``folder`` is seen by the nodes, and by the machine that submits.

    ``scheduler`` is what users call it.
    """

    scheduler: str

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._token_files = folder / "tokens"
        self._clock = folder / _CLOCK_FILE

    @abstractmethod
    def _send_job(self, task: Task, runner: tuple[str, ...], spec_file: Path) -> Mapping[str, Json]:
        """Submit the job of a task, once for each token, and return what is noted of it. Raises UserError.

        ``runner`` are the words that start a runner on a node.
        """

    @abstractmethod
    def _count_cpus(self, task: Task) -> float:
        """Return how many processors the scheduler is asked for, on each node."""

    @abstractmethod
    def _has_job(self, token: str) -> bool:
        """Tell whether the scheduler knows the job of a token. Raises UserError ``backend-unreachable``."""

    @abstractmethod
    def _list_jobs(self, notes: Mapping[str, Mapping[str, Json]]) -> Mapping[str, Job]:
        """Return the jobs that the scheduler knows of those with tokens; raises UserError ``backend-unreachable``.

        The notes are those of `_send_job`, empty if it was interrupted.
        """

    @abstractmethod
    def _stop_job(self, token: str) -> bool:
        """Ask the job of a token to end, and return True if there is an active one; raises UserError."""

    def submit(self, task: Task, store: ObjectStore) -> Handle:
        if (handle := self.find(task.token)) is not None:
            return handle
        folder = self._runs / task.run
        make_private_folders(self._runs, folder, self._token_files, self._submissions, self._runners)
        write_private_json(self._submissions / task.token, {"run": task.run})
        spec = make_spec(task, prefix_environment(task), store, folder, self._token_files / task.token)
        write_private_json(folder / SPEC_FILE, replace(spec, cpus=self._count_cpus(task)).to_json())
        runner = (find_python(), "-I", "-S", str(install_runner(self._runners)))
        write_private_json(folder / _JOB_FILE, dict(self._send_job(task, runner, folder / SPEC_FILE)))
        return Handle(self.provider, task.run)

    def find(self, token: str) -> Handle | None:
        handle = self._submitted(token)
        if handle is None:
            return None
        folder = self._folder(handle)
        marks = (folder / _JOB_FILE, folder / RESULT_FILE, self._token_files / token)
        # Without any of them, the process that submitted it was killed, before or after the scheduler had the job.
        return handle if any(path.exists() for path in marks) or self._has_job(token) else None

    def poll(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        tokens = {handle: _token(self._folder(handle)) for handle in handles}
        notes = {
            token: read_json_object(self._folder(handle) / _JOB_FILE) or {}
            for handle, token in tokens.items()
            if token and _is_open(self._folder(handle))
        }
        jobs, problem = dict[str, Job](), ""
        try:
            jobs.update(self._list_jobs(notes) if notes else {})
        except UserError as error:
            problem = error.diagnostics[0].message
        return {handle: self._condition(self._folder(handle), jobs.get(tokens[handle]), problem) for handle in tokens}

    def _is_active(self, folder: Path) -> bool:
        """Return True for a run without a result: its processes are on a node, where they are not seen."""
        return not (folder / RESULT_FILE).exists()

    def cancel(self, handle: Handle) -> bool:
        folder = self._folder(handle)
        token = _token(folder)
        if not token or (folder / END_FILE).exists() or _read_result(folder) is not None:
            return False
        touch_private_file(folder / _CANCEL_FILE)
        was_active = self._stop_job(token)
        try:
            reserve_token(self._token_files / token, handle.id)  # a runner that starts now ends as a duplicate
        except FileExistsError:
            return was_active or self._is_alive(folder)
        write_final_result(folder, CommandOutcome(FinalStatus.CANCELED))
        return True

    def _condition(self, folder: Path, job: Job | None, problem: str) -> Condition:
        """Return the condition of a run; the scheduler was asked before its result is read, which may come meanwhile.

        A command that was stopped ends as if it had been canceled; if nobody has asked for that, the run is gone.
        """
        if not folder.is_dir():
            return Condition(Phase.GONE, message="its folder was removed")
        if _is_open(folder):
            active = self._active_condition(folder, job, problem)
            if active is not None:
                return active
            if job is not None and job.state is JobState.STOPPED:
                touch_private_file(folder / _CANCEL_FILE)  # by the tools of the scheduler, which forgets it
        result = _read_result(folder)
        if result is None and (folder / _CANCEL_FILE).exists() and not (folder / END_FILE).exists():
            write_final_result(folder, CommandOutcome(FinalStatus.CANCELED))
            result = _read_result(folder)
        if result is None:
            complete_log(folder)
            killed = _KILLED if (folder / END_FILE).exists() else ""
            cause = read_loss(folder) or killed or (job.message if job else _FORGOTTEN.format(self.scheduler))
            return Condition(Phase.GONE, message=cause)
        condition = result_condition(folder, result)
        is_stopped = condition.reason == CANCELED and not (folder / _CANCEL_FILE).exists()
        return Condition(Phase.GONE, message=_STOPPED) if is_stopped else condition

    def _active_condition(self, folder: Path, job: Job | None, problem: str) -> Condition | None:
        """Return the condition of a run that may go on, as far as is known; None if it has ended."""
        if (folder / END_FILE).exists():
            return None
        if problem:
            return Condition(Phase.UNKNOWN, message=problem)
        if job is not None and job.state is JobState.WAITING:
            return Condition(Phase.PENDING, message=job.message)
        is_running = job is not None and job.state is JobState.RUNNING
        if is_running or (_read_result(folder) is None and self._is_alive(folder)):
            if (folder / COMMAND_FILE).exists():
                return Condition(Phase.RUNNING)
            is_started = (folder / HEARTBEAT_FILE).exists()
            return Condition(Phase.PENDING, message=job.message if job and not is_started else "")
        return None

    def _is_alive(self, folder: Path) -> bool:
        """Return True if the runner of a run gives signs of life, by the clock of the disk that both write to."""
        try:
            beat = (folder / HEARTBEAT_FILE).stat().st_mtime
            self._clock.touch()
            return self._clock.stat().st_mtime - beat < _SILENT_SECONDS
        except OSError:
            return False


def _is_open(folder: Path) -> bool:
    """Return True if the scheduler is to be asked about a run: it has no result, or was stopped by others."""
    result = _read_result(folder)
    is_stopped = result is not None and result.get("status") == FinalStatus.CANCELED
    return result is None or (is_stopped and not (folder / _CANCEL_FILE).exists())


def _token(folder: Path) -> str:
    return str((read_json_object(folder / SPEC_FILE) or {}).get("token", ""))


def _read_result(folder: Path) -> dict[str, Json] | None:
    """Return the result of a run; its folder is listed first, as a network disk may remember that it had none."""
    with suppress(OSError):
        os.listdir(folder)  # noqa: PTH208 - the names do not count
    return read_json_object(folder / RESULT_FILE)
