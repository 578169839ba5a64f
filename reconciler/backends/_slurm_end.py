"""How a run on Slurm has ended: by the result in its folder, and by what Slurm says of its job.

What Slurm says is noted in the folder, as Slurm forgets it within minutes.
"""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from reconciler.backends._local_queue import write_final_result
from reconciler.backends._runner import result_condition
from reconciler.backends._scheduled import has_open_end, read_result
from reconciler.backends._slurm_script import CANCEL_FILE, SLURM_LOG, STOP_FILE
from reconciler.backends._slurm_states import (
    CANCELED_STATES,
    LOST_STATES,
    MEMORY_STATE,
    REQUEUED_STATE,
    TIMEOUT_STATES,
    Job,
    end_message,
    stopped_state,
)
from reconciler.model.providers import CANCELED, Condition, Phase
from reconciler.regular_files import read_last_text
from reconciler.runner.apart import END_FILE as APART_END_FILE
from reconciler.runner.files import read_json_object, write_json_atomically
from reconciler.runner.instances import complete_log, read_loss
from reconciler.runner.process import COMMAND_FILE
from reconciler.runner.result import RESULT_FILE, CommandOutcome, Failure, FinalStatus

_END_FILE = "slurm-end.json"
_TEXT_SIZE = 1 << 14
_RUNNER_KILLED = "its runner was killed"
_FAILURES = {
    **dict.fromkeys(TIMEOUT_STATES, Failure("timeout", "Slurm has ended the run at its time limit")),
    MEMORY_STATE: Failure("user", "it ran out of the memory that Slurm has given it: see memory: of the backend"),
}


def is_open(folder: Path) -> bool:
    """Return True if Slurm is to be asked about a run: it has no result, or was stopped by others than mlgit."""
    return has_open_end(folder, CANCEL_FILE, _END_FILE)


def is_end_noted(folder: Path) -> bool:
    """Return True if Slurm has said how the job of a run has ended."""
    return bool(_noted_end(folder).state)


def is_started(folder: Path) -> bool:
    """Return True if the command of a run was started."""
    return (folder / COMMAND_FILE).exists()


def ended_condition(folder: Path, job: Job | None) -> Condition:
    """Return the condition of a run whose job has ended, as Slurm says; None if it knows nothing of it any more."""
    if is_open(folder):
        _settle(folder, job)
    result, end = read_result(folder), _noted_end(folder)
    is_lost = end.state in LOST_STATES or (end.is_script_killed and not (folder / CANCEL_FILE).exists())
    if result is None or (is_lost and result.get("status") == FinalStatus.CANCELED):
        complete_log(folder)
        killed = _RUNNER_KILLED if (folder / APART_END_FILE).exists() else ""
        message = "" if end.state in LOST_STATES else read_loss(folder) or killed
        said = end_message(end if end.state else None, _last_line(folder / SLURM_LOG), is_started=is_started(folder))
        return Condition(Phase.GONE, message=message or said)
    condition = result_condition(folder, result)
    is_by_other = condition.reason == CANCELED and end.user not in ("", str(os.getuid()))
    return replace(condition, message=f"{_user_name(end.user)} canceled its job") if is_by_other else condition


def _settle(folder: Path, job: Job | None) -> None:
    """Note how the job of a run has ended that has no result, or was stopped, and write the result that it lacks."""
    stopped = stopped_state(read_last_text(folder / STOP_FILE, _TEXT_SIZE))
    job = job or _noted_end(folder)
    if not job.state or stopped == REQUEUED_STATE:  # of a job that was begun again, Slurm only knows its second end
        job = job._replace(state=stopped)
    write_json_atomically(folder / _END_FILE, job._asdict())
    result, failure = read_result(folder), _FAILURES.get(job.state)
    is_canceled = job.state in CANCELED_STATES or (job.number and (folder / CANCEL_FILE).exists())
    if failure and result is not None:
        failed = {**result, "status": FinalStatus.FAILED, "failure": failure.to_json()}
        write_json_atomically(folder / RESULT_FILE, failed)
    elif failure:
        write_final_result(folder, CommandOutcome(FinalStatus.FAILED, failure))
    elif result is None and is_canceled:
        write_final_result(folder, CommandOutcome(FinalStatus.CANCELED))


def _noted_end(folder: Path) -> Job:
    """Return what was noted of the end of a job; its state is "" if nothing was."""
    noted = read_json_object(folder / _END_FILE) or {}
    return Job(*(str(noted.get(name, "")) for name in Job._fields))


def _last_line(path: Path) -> str:
    return (read_last_text(path, _TEXT_SIZE).strip().splitlines() or [""])[-1]


def _user_name(number: str) -> str:
    with suppress(KeyError, ValueError):
        return f"user {pwd.getpwuid(int(number)).pw_name}"
    return f"user {number}"
