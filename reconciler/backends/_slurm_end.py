"""How a run on Slurm has ended: by the result in its folder, and by what Slurm says of its job.

What Slurm says is noted in the folder, as Slurm forgets it within minutes.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from reconciler.backends._local_queue import write_final_result
from reconciler.backends._runner import result_condition
from reconciler.backends._scheduled import has_open_end, read_note, read_result
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
from reconciler.model import Json
from reconciler.model.providers import CANCELED, Condition, Phase
from reconciler.model.run_results import is_result
from reconciler.regular_files import read_last_text
from reconciler.runner.apart import END_FILE as APART_END_FILE
from reconciler.runner.files import read_json_object, write_json_atomically
from reconciler.runner.instances import complete_log, read_loss
from reconciler.runner.process import COMMAND_FILE
from reconciler.runner.result import RESULT_FILE, CommandOutcome, Failure, FinalStatus, parse_failure

_END_FILE = "slurm-end.json"
_TEXT_SIZE = 1 << 14
_KILL, _KILLED = "SIGKILL", 137  # as a process ends, and what a shell says of it
_RUNNER_KILLED = "its runner was killed"
_FAILURES = dict.fromkeys(TIMEOUT_STATES, Failure("timeout", "Slurm has ended the run at its time limit"))


def is_open(folder: Path) -> bool:
    """Return True if Slurm is to be asked about a run: it has no result, or was stopped by others than mlgit."""
    return has_open_end(folder, CANCEL_FILE, _END_FILE)


def is_failure_open(folder: Path) -> bool:
    """Return True if Slurm may know why the command of a run has failed, as the kernel kills it for its memory."""
    failure = _user_failure(read_result(folder))
    return failure is not None and not any((folder / name).exists() for name in (CANCEL_FILE, _END_FILE))


def is_end_noted(folder: Path) -> bool:
    """Return True if Slurm has said how the job of a run has ended."""
    return bool(_noted_end(folder).state)


def is_started(folder: Path) -> bool:
    """Return True if the command of a run was started."""
    return (folder / COMMAND_FILE).exists()


def ended_condition(folder: Path, job: Job | None) -> Condition:
    """Return the condition of a run whose job has ended, as Slurm says; None if it knows nothing of it any more."""
    if is_open(folder) or (is_failure_open(folder) and job is not None):
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
    if condition.reason != CANCELED or (folder / CANCEL_FILE).exists():
        return condition
    return replace(condition, message=_describe_cancel(end))


def _describe_cancel(end: Job) -> str:
    """Return who has canceled a job, which mlgit has not."""
    if end.user not in ("", str(os.getuid())):
        return f"{_user_name(end.user)} canceled its job"
    return "its job was ended outside of mlgit, as with scancel" if end.state in CANCELED_STATES else ""


def _settle(folder: Path, job: Job | None) -> None:
    """Note how the job of a run has ended that has no result, or was stopped, and write the result that it lacks."""
    stopped = stopped_state(read_last_text(folder / STOP_FILE, _TEXT_SIZE))
    job = job or _noted_end(folder)
    if not job.state or stopped == REQUEUED_STATE:  # of a job that was begun again, Slurm only knows its second end
        job = job._replace(state=stopped)
    write_json_atomically(folder / _END_FILE, job._asdict())
    result = read_result(folder)
    failure = _find_failure(folder, job, _user_failure(result))
    is_canceled = job.state in CANCELED_STATES or (job.number and (folder / CANCEL_FILE).exists())
    if failure and result is not None:
        failed = {**result, "status": FinalStatus.FAILED, "failure": failure.to_json()}
        write_json_atomically(folder / RESULT_FILE, failed)
    elif failure:
        write_final_result(folder, CommandOutcome(FinalStatus.FAILED, failure))
    elif result is None and is_canceled:
        write_final_result(folder, CommandOutcome(FinalStatus.CANCELED))


def _find_failure(folder: Path, job: Job, failure: Failure | None) -> Failure | None:
    """Return the failure of a run that Slurm has ended, which may have one from its command; None for none."""
    if job.state != MEMORY_STATE:
        return None if failure else _FAILURES.get(job.state)
    message = _memory_message(str(read_note(folder).get("memory") or ""))
    if failure is None:
        return Failure("user", message)
    is_killed = failure.signal == _KILL or failure.exit_code == _KILLED
    return replace(failure, message=message if is_killed else f"{failure.message}; {message}")


def _memory_message(memory: str) -> str:
    """Return that a run used more memory than it asked for, as in ``16G``; "" for one that asked for none."""
    if memory:
        return f"it used more memory than the {memory} that it asked Slurm for: raise memory: of the backend"
    return "it used more memory than Slurm gives to a job that asks for none: set memory: of the backend"


def _user_failure(result: Mapping[str, Json] | None) -> Failure | None:
    """Return the failure of the command of a run by its result; None if it has none."""
    failure = parse_failure(result["failure"]) if result and is_result(result) else None
    return failure if failure and failure.kind == "user" else None


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
