"""What the backend `slurm` does where jobs are submitted: runs are batch jobs, with folders that all nodes see.

The result of a run is what stands in its folder; Slurm is asked of those without one, by one command for all. A job has
the token of its run for a name, so that it is found if the process that submitted it was killed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from reconciler.backends._local_processes import SPEC_FILE
from reconciler.backends._scheduled import ScheduledBackend, read_token
from reconciler.backends._slurm_accounting import Accounting
from reconciler.backends._slurm_commands import SlurmError, call, list_values
from reconciler.backends._slurm_end import (
    ended_condition,
    is_end_noted,
    is_failure_open,
    is_open,
    is_started,
)
from reconciler.backends._slurm_script import (
    CANCEL_FILE,
    INSTANCE_FILE,
    find_memory,
    make_instance_script,
    make_script,
    time_limits,
)
from reconciler.backends._slurm_states import (
    JOB_FORMAT,
    REQUEUED_STATE,
    Job,
    count_waiting,
    parse_jobs,
    waiting_message,
)
from reconciler.diagnostics import UserError, user_error
from reconciler.model import Json
from reconciler.model.providers import Condition, Handle, Phase, Usage
from reconciler.model.tasks import Task
from reconciler.private_files import create_private_file
from reconciler.runner.spec import RunSpec

SCRIPT_FILE = "job.sh"
_LISTING_SECONDS = 2.0  # that a listing of jobs counts for: Slurm is not asked for each look at a log
_PATIENCE_SECONDS = 30.0  # after which a run that was asked to stop is killed if it is canceled again


class SlurmNodeBackend(ScheduledBackend[Job]):
    """Runs jobs as batch jobs, by the commands of this machine; its folder is seen by the nodes of the cluster."""

    provider = "slurm"

    def __init__(self, folder: Path, settings: Mapping[str, Json]) -> None:
        super().__init__(folder)
        self._settings = settings
        self._accounting = Accounting()
        self._jobs: Mapping[str, Job] = {}
        self._listed = -_LISTING_SECONDS

    def _complete_spec(self, spec: RunSpec, task: Task) -> RunSpec:
        limits = time_limits(task.resources.timeout, self._settings.get("time"))
        return replace(spec, timeout=limits.seconds, cpus=task.resources.cpus or self._settings.get("cpus") or 1)

    def _send_job(self, task: Task, runner: tuple[str, ...], spec_file: Path) -> Mapping[str, Json]:
        folder = spec_file.parent
        _write_script(folder / SCRIPT_FILE, make_script(task, self._settings, folder, runner, spec_file))
        if task.resources.instances > 1:
            _write_script(folder / INSTANCE_FILE, make_instance_script(folder, runner, spec_file))
        return {"job": self._send(task, folder / SCRIPT_FILE), "memory": find_memory(task, self._settings)}

    def _has_job(self, token: str) -> bool:
        job = self._list_jobs().get(token)
        return job is not None and job.is_active

    def _find_jobs(self, folders: Mapping[str, Path]) -> tuple[Mapping[str, Job], Mapping[str, str]]:
        """Ask the controller of jobs, and the accounting of those that the controller does not know."""
        started = [token for token in folders if (self._token_files / token).exists()]  # before they are listed
        try:
            jobs = dict(self._recent_jobs(folders))
            if any(_is_pending(jobs.get(token)) for token in started):
                jobs = dict(self._list_jobs())
        except UserError as error:
            return {}, dict.fromkeys(folders, error.diagnostics[0].message)
        jobs |= {token: jobs[token]._replace(state=REQUEUED_STATE) for token in started if _is_pending(jobs.get(token))}
        forgotten = {
            token: _submission_time(folders[token])
            for token in folders.keys() - jobs.keys()
            if not is_end_noted(folders[token])
        }
        try:
            return {**jobs, **self._accounting.find_ended(forgotten)}, {}
        except UserError as error:
            return jobs, dict.fromkeys(forgotten, error.diagnostics[0].message)

    def cancel(self, handle: Handle) -> bool:
        folder = self._folder(handle)
        job = self._list_jobs().get(token) if (token := read_token(folder)) else None
        if job is None or not job.is_active:
            return False
        is_repeated = _is_older(folder / CANCEL_FILE, _PATIENCE_SECONDS)
        with suppress(FileExistsError):
            create_private_file(folder / CANCEL_FILE)  # which the script looks for when it starts
        if job.state == "PENDING":
            self._scancel("--state=PENDING", job.number)
        if is_repeated:
            self._scancel(job.number)
        else:
            self._scancel("--batch", "--signal=TERM", job.number)
        self._listed = -_LISTING_SECONDS
        return True

    def usage(self) -> Iterable[Usage]:
        """Return how many processors of the partition are in use, by whomever, and how many runs wait for some."""
        jobs = self._list_jobs()
        partition, rows = str(self._settings.get("partition", "")), []
        for line in call("sinfo", "--noheader", "--format=%P|%C").splitlines():
            name, _, counts = line.strip().partition("|")
            if name.removesuffix("*") in partition.split(",") or (not partition and name.endswith("*")):
                used, _, _, total = map(int, counts.split("/"))
                rows.append((name.removesuffix("*"), used, total))
        return tuple(
            Usage(
                f"partition {name}",
                "processor",
                sum(used for one, used, _ in rows if one == name),
                sum(total for one, _, total in rows if one == name),
                count_waiting(jobs.values(), name),
            )
            for name in dict.fromkeys(name for name, _, _ in rows)
        )

    def _send(self, task: Task, script: Path) -> str:
        """Give a script to Slurm and return the number of its job. Raises UserError ``submission-refused``."""
        try:
            return call("sbatch", "--parsable", str(script)).strip().partition(";")[0]
        except SlurmError as error:
            partitions = ", ".join(list_values("sinfo", "--noheader", "--format=%R")) or "not known"
            name = self._settings.get("name") or "slurm"
            hint = f"correct the settings of the backend {name} in mlgit.yml; the partitions there are: {partitions}"
            words = str(error).replace("Batch job submission failed: ", "")
            raise user_error("submission-refused", f"Slurm refuses {task.address}: {words}", hint) from error

    def _scancel(self, *arguments: str) -> None:
        with suppress(SlurmError):  # it has ended, or started, meanwhile: `poll` tells
            call("scancel", *arguments)

    def _list_jobs(self) -> Mapping[str, Job]:
        """Return the jobs of this user by name. Raises UserError ``backend-unreachable``.

        Not as JSON: that has all jobs of the cluster, whatever is asked for, in a form that each release changes.
        """
        try:
            text = call("squeue", "--noheader", "--me", "--states=all", f"--format={JOB_FORMAT}")
        except SlurmError as error:
            raise user_error("backend-unreachable", f"squeue of {os.uname().nodename} says: {error}") from error
        self._jobs, self._listed = parse_jobs(text), time.monotonic()
        return self._jobs

    def _recent_jobs(self, tokens: Iterable[str]) -> Mapping[str, Job]:
        """Return jobs as they are, or were a moment ago if all of some were active."""
        is_recent = time.monotonic() - self._listed < _LISTING_SECONDS
        if is_recent and all((job := self._jobs.get(token)) is not None and job.is_active for token in tokens):
            return self._jobs
        return self._list_jobs()

    def _is_open(self, folder: Path) -> bool:
        return is_open(folder) or is_failure_open(folder)

    def _condition(self, folder: Path, job: Job | None, problem: str) -> Condition:
        if not folder.is_dir():
            return Condition(Phase.GONE, message="its folder was removed")
        if is_open(folder) and problem:
            return Condition(Phase.UNKNOWN, message=problem)
        if job is not None and job.is_active and self._is_open(folder):
            return _active_condition(folder, job)
        return ended_condition(folder, job)


def _write_script(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    create_private_file(path, text.encode())


def _is_pending(job: Job | None) -> bool:
    return job is not None and job.state == "PENDING"


def _active_condition(folder: Path, job: Job) -> Condition:
    if job.state == "PENDING":
        return Condition(Phase.PENDING, message=waiting_message(job.reason))
    return Condition(Phase.RUNNING if is_started(folder) else Phase.PENDING)


def _submission_time(folder: Path) -> float:
    with suppress(OSError):
        return (folder / SPEC_FILE).stat().st_mtime
    return time.time()


def _is_older(path: Path, seconds: float) -> bool:
    with suppress(OSError):
        return time.time() - path.stat().st_mtime > seconds
    return False
