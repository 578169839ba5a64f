"""What the backend `slurm` does where jobs are submitted: runs are batch jobs, with folders that all nodes see.

The result of a run is what stands in its folder; Slurm is asked of those without one, by one command for all. A job has
the token of its run for a name, so that it is found if the process that submitted it was killed.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from reconciler.backends._folders import FolderBackend, make_private_folders, write_private_json
from reconciler.backends._local_processes import SPEC_FILE
from reconciler.backends._runner import find_python, install_runner, make_spec, prefix_environment
from reconciler.backends._slurm_accounting import Accounting
from reconciler.backends._slurm_commands import SlurmError, call, list_values
from reconciler.backends._slurm_end import (
    JOB_FILE,
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
from reconciler.model.object_store import ObjectStore
from reconciler.model.providers import Condition, Handle, Phase, Usage
from reconciler.model.tasks import Task
from reconciler.private_files import create_private_file
from reconciler.runner.files import read_json_object, write_json_atomically
from reconciler.runner.locks import exclusive_lock
from reconciler.runner.result import RESULT_FILE

SCRIPT_FILE, _LOCK_FILE = "job.sh", "submit.lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of a network disk that has none
_LISTING_SECONDS = 2.0  # that a listing of jobs counts for: Slurm is not asked for each look at a log
_PATIENCE_SECONDS = 30.0  # after which a run that was asked to stop is killed if it is canceled again


class SlurmNodeBackend(FolderBackend):
    """Runs jobs as batch jobs, by the commands of this machine; its folder is seen by the nodes of the cluster."""

    provider = "slurm"

    def __init__(self, folder: Path, settings: Mapping[str, Json]) -> None:
        super().__init__(folder)
        self._settings = settings
        self._token_files = folder / "tokens"
        self._accounting = Accounting()
        self._jobs: Mapping[str, Job] = {}
        self._listed = -_LISTING_SECONDS

    def submit(self, task: Task, store: ObjectStore) -> Handle:
        folder = self._runs / task.run
        make_private_folders(self._runs, folder, self._token_files, self._submissions, self._runners)
        with _submission_lock(folder):
            return self.find(task.token) or self._submit(task, store, folder)

    def _submit(self, task: Task, store: ObjectStore, folder: Path) -> Handle:
        write_private_json(self._submissions / task.token, {"run": task.run})
        spec = make_spec(task, prefix_environment(task), store, folder, self._token_files / task.token)
        limits = time_limits(task.resources.timeout, self._settings.get("time"))
        cpus = task.resources.cpus or self._settings.get("cpus") or 1
        write_private_json(folder / SPEC_FILE, replace(spec, timeout=limits.seconds, cpus=cpus).to_json())
        runner = (find_python(), "-I", "-S", str(install_runner(self._runners)))
        script = make_script(task, self._settings, folder, runner, folder / SPEC_FILE)
        _write_script(folder / SCRIPT_FILE, script)
        if task.resources.instances > 1:
            _write_script(folder / INSTANCE_FILE, make_instance_script(folder, runner, folder / SPEC_FILE))
        number = self._send(task, folder / SCRIPT_FILE)
        write_json_atomically(folder / JOB_FILE, {"job": number, "memory": find_memory(task, self._settings)})
        return Handle(self.provider, task.run)

    def find(self, token: str) -> Handle | None:
        handle = self._submitted(token)
        if handle is None:
            return None
        folder = self._folder(handle)
        marks = (folder / JOB_FILE, folder / RESULT_FILE, self._token_files / token)
        if any(path.exists() for path in marks):
            return handle
        # The process that submitted it was killed, before or after Slurm had taken the job.
        job = self._list_jobs().get(token)
        return handle if job is not None and job.is_active else None

    def poll(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        tokens = {handle: self._token(self._folder(handle)) for handle in handles}
        folders = {token: self._folder(handle) for handle, token in tokens.items() if token}
        jobs, problems = self._find_jobs(
            {token: folder for token, folder in folders.items() if is_open(folder) or is_failure_open(folder)}
        )
        return {
            handle: self._condition(handle, jobs.get(token), problems.get(token, ""))
            for handle, token in tokens.items()
        }

    def _find_jobs(self, folders: Mapping[str, Path]) -> tuple[Mapping[str, Job], Mapping[str, str]]:
        """Return the jobs of runs by token, and why Slurm does not tell of some; what it has forgotten is in neither.

        The controller is asked, and the accounting of those that the controller does not know.
        """
        started = [token for token in folders if (self._token_files / token).exists()]  # before they are listed
        try:
            jobs = dict(self._recent_jobs(folders)) if folders else {}
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
        job = self._list_jobs().get(token) if (token := self._token(folder)) else None
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

    def _is_active(self, folder: Path) -> bool:
        """Return True for a run without a result: its processes are on a node, where they are not seen."""
        return not (folder / RESULT_FILE).exists()

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
            partitions = ", ".join(list_values("sinfo", "--noheader", "--format=%R"))
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

    def _token(self, folder: Path) -> str:
        return str((read_json_object(folder / SPEC_FILE) or {}).get("token", ""))

    def _condition(self, handle: Handle, job: Job | None, problem: str) -> Condition:
        """Return the condition of a run; Slurm was asked before its result is read, which may be written meanwhile."""
        folder = self._folder(handle)
        if not folder.is_dir():
            return Condition(Phase.GONE, message="its folder was removed")
        if is_open(folder) and problem:
            return Condition(Phase.UNKNOWN, message=problem)
        if job is not None and job.is_active and (is_open(folder) or is_failure_open(folder)):
            return _active_condition(folder, job)
        return ended_condition(folder, job)


@contextmanager
def _submission_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a submission: the program of a command that was killed may be about to end the same one."""
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive_lock(folder / _LOCK_FILE))
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield


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
