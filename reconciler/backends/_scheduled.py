"""What the backends share whose runs are jobs of a scheduler, by their tokens, in folders that all nodes see.

The result of a run is what stands in its folder; the scheduler is asked of those without one, by one request for all.
A backend adds how it submits a job, finds the jobs that there are, and what condition a run is in.
"""

from __future__ import annotations

import errno
import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Generic, TypeVar

from reconciler.backends._folders import FolderBackend, make_private_folders, write_private_json
from reconciler.backends._local_processes import SPEC_FILE
from reconciler.backends._runner import find_python, install_runner, make_spec, prefix_environment
from reconciler.model import Json
from reconciler.model.object_store import ObjectStore
from reconciler.model.providers import Condition, Handle
from reconciler.model.tasks import Task
from reconciler.runner.files import read_json_object
from reconciler.runner.locks import exclusive_lock
from reconciler.runner.result import RESULT_FILE, FinalStatus
from reconciler.runner.spec import RunSpec

_JOB_FILE, _LOCK_FILE = "job.json", "submit.lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of a network disk that has none
JobT = TypeVar("JobT")


class ScheduledBackend(FolderBackend, Generic[JobT]):
    """Runs jobs as those of a scheduler; ``folder`` is seen by the nodes, and by the machine that submits."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._token_files = folder / "tokens"

    @abstractmethod
    def _complete_spec(self, spec: RunSpec, task: Task) -> RunSpec:
        """Return the spec of a run with the processors that its job asks for, and the time that it has."""

    @abstractmethod
    def _send_job(self, task: Task, runner: tuple[str, ...], spec_file: Path) -> Mapping[str, Json]:
        """Submit the job of a task and return what is noted of it. Raises UserError.

        ``runner`` are the words that start a runner on a node.
        """

    @abstractmethod
    def _has_job(self, token: str) -> bool:
        """Tell whether the scheduler knows the job of a token. Raises UserError ``backend-unreachable``."""

    @abstractmethod
    def _find_jobs(self, folders: Mapping[str, Path]) -> tuple[Mapping[str, JobT], Mapping[str, str]]:
        """Return the jobs of runs by token, and why the scheduler does not tell of some; forgotten ones are in neither.

        ``folders`` are those of the runs, by token.
        """

    @abstractmethod
    def _is_open(self, folder: Path) -> bool:
        """Return True if the scheduler is to be asked about a run."""

    @abstractmethod
    def _condition(self, folder: Path, job: JobT | None, problem: str) -> Condition:
        """Return the condition of a run: the scheduler was asked before its result is read, which may come meanwhile.

        ``problem`` is why the scheduler does not tell of its job, "" if it does.
        """

    def submit(self, task: Task, store: ObjectStore) -> Handle:
        folder = self._runs / task.run
        make_private_folders(self._runs, folder, self._token_files, self._submissions, self._runners)
        with _submission_lock(folder):
            return self.find(task.token) or self._submit(task, store, folder)

    def _submit(self, task: Task, store: ObjectStore, folder: Path) -> Handle:
        write_private_json(self._submissions / task.token, {"run": task.run})
        spec = make_spec(task, prefix_environment(task), store, folder, self._token_files / task.token)
        write_private_json(folder / SPEC_FILE, self._complete_spec(spec, task).to_json())
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
        folders = {handle: self._folder(handle) for handle in handles}
        tokens = {handle: read_token(folder) for handle, folder in folders.items()}
        asked = {
            tokens[handle]: folder for handle, folder in folders.items() if tokens[handle] and self._is_open(folder)
        }
        jobs, problems = self._find_jobs(asked) if asked else ({}, {})
        return {
            handle: self._condition(folders[handle], jobs.get(token), problems.get(token, ""))
            for handle, token in tokens.items()
        }

    def _is_active(self, folder: Path) -> bool:
        """Return True for a run without a result: its processes are on a node, where they are not seen."""
        return not (folder / RESULT_FILE).exists()


def read_token(folder: Path) -> str:
    """Return the token of the run of a folder, "" if there is no spec of one."""
    return str((read_json_object(folder / SPEC_FILE) or {}).get("token", ""))


def read_note(folder: Path) -> Mapping[str, Json]:
    """Return what was noted of the job of a run; nothing if its submission was interrupted."""
    return read_json_object(folder / _JOB_FILE) or {}


def read_result(folder: Path) -> dict[str, Json] | None:
    """Return the result of a run; its folder is listed first, as a network disk may remember that it had none."""
    with suppress(OSError):
        os.listdir(folder)  # noqa: PTH208 - the names do not count
    return read_json_object(folder / RESULT_FILE)


def has_open_end(folder: Path, *marks: str) -> bool:
    """Return True if a run has no result, or was stopped, and none of the files is in its folder that say by whom."""
    result = read_result(folder)
    return result is None or (
        result.get("status") == FinalStatus.CANCELED and not any((folder / name).exists() for name in marks)
    )


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
