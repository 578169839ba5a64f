"""The condition of a run on Ray: by the files in its folder, and by what Ray says of its job."""

from __future__ import annotations

from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

from reconciler.backends._local_queue import write_final_result
from reconciler.backends._runner import result_condition
from reconciler.backends._scheduled import has_open_end, read_result
from reconciler.model.providers import CANCELED, Condition, Phase
from reconciler.private_files import touch_private_file
from reconciler.runner.apart import END_FILE
from reconciler.runner.instances import complete_log, read_loss
from reconciler.runner.monitor import HEARTBEAT_FILE
from reconciler.runner.process import COMMAND_FILE
from reconciler.runner.result import CommandOutcome, FinalStatus

CANCEL_FILE = "cancel"  # in the folder of a run that was asked to stop
_SILENT_SECONDS = 15.0  # after which a run without a heartbeat has ended; one is due every two seconds
_KILLED = "its runner was killed"
_STOPPED = "it was stopped, because its node or the cluster was"
_FORGOTTEN = "it has left no result, and Ray does not know its job any more"


class JobState(Enum):
    """What Ray says of a job."""

    WAITING = auto()
    RUNNING = auto()
    STOPPED = auto()  # because that was asked for
    ENDED = auto()


class Job(NamedTuple):
    """A job of Ray: what one waits for whose runner does not run, or why it has ended."""

    state: JobState
    message: str = ""


def find_condition(folder: Path, job: Job | None, problem: str, clock: Path) -> Condition:
    """Return the condition of a run.

    A command that was stopped ends as if it had been canceled; if nobody has asked for that, the run is gone.
    """
    if not folder.is_dir():
        return Condition(Phase.GONE, message="its folder was removed")
    if has_open_end(folder, CANCEL_FILE):
        active = _active_condition(folder, job, problem, clock)
        if active is not None:
            return active
        if job is not None and job.state is JobState.STOPPED:
            touch_private_file(folder / CANCEL_FILE)  # by the tools of Ray, which forgets it
    result = read_result(folder)
    if result is None and (folder / CANCEL_FILE).exists() and not (folder / END_FILE).exists():
        write_final_result(folder, CommandOutcome(FinalStatus.CANCELED))
        result = read_result(folder)
    if result is None:
        complete_log(folder)
        killed = _KILLED if (folder / END_FILE).exists() else ""
        return Condition(Phase.GONE, message=read_loss(folder) or killed or (job.message if job else _FORGOTTEN))
    condition = result_condition(folder, result)
    is_stopped = condition.reason == CANCELED and not (folder / CANCEL_FILE).exists()
    return Condition(Phase.GONE, message=_STOPPED) if is_stopped else condition


def is_alive(folder: Path, clock: Path) -> bool:
    """Return True if the runner of a run gives signs of life, by the clock of the disk that both write to.

    ``clock`` is a file of that disk, which is touched.
    """
    try:
        beat = (folder / HEARTBEAT_FILE).stat().st_mtime
        clock.touch()
        return clock.stat().st_mtime - beat < _SILENT_SECONDS
    except OSError:
        return False


def _active_condition(folder: Path, job: Job | None, problem: str, clock: Path) -> Condition | None:
    """Return the condition of a run that may go on, as far as is known; None if it has ended."""
    if (folder / END_FILE).exists():
        return None
    if problem:
        return Condition(Phase.UNKNOWN, message=problem)
    if job is not None and job.state is JobState.WAITING:
        return Condition(Phase.PENDING, message=job.message)
    is_running = job is not None and job.state is JobState.RUNNING
    if is_running or (read_result(folder) is None and is_alive(folder, clock)):
        if (folder / COMMAND_FILE).exists():
            return Condition(Phase.RUNNING)
        is_started = (folder / HEARTBEAT_FILE).exists()
        return Condition(Phase.PENDING, message=job.message if job and not is_started else "")
    return None
