"""What the backend `local` does: runs are processes of this machine, each with a supervisor that outlives mlgit.

Whether a supervisor is alive shows in a file lock that it inherits, not in a process id: the kernel releases the lock
with the process, and no other process can be mistaken for it. The command holds a second lock, so that a command
whose supervisor was killed is still found.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from reconciler.backends import Submission, Task
from reconciler.diagnostics import user_error
from reconciler.model import Json, RunReport, RunStatus
from reconciler.private_files import create_private_file, make_private_folder, touch_private_file
from reconciler.runner.descendants import find_marked, send_signal
from reconciler.runner.environment import allowed_variables
from reconciler.runner.files import read_json_object
from reconciler.runner.process import COMMAND_FILE
from reconciler.runner.result import LOG_FILE, METRICS_FILE, RESULT_FILE
from reconciler.runner.spec import RunSpec
from reconciler.runner.workdir import OUTPUTS_FOLDER
from reconciler.runner.zipapp import build_zipapp

_SPEC_FILE, _SUPERVISOR_FILE = "spec.json", "supervisor.json"
_SUPERVISOR_LOCK, _COMMAND_LOCK = "alive.lock", "child.lock"
_POLL_SECONDS = 0.05
_CANCEL_TIMEOUT_SECONDS = 30.0

_FINAL_STATUSES = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED})
_RESULT_TYPES = {"status": str, "started": str, "ended": str, "metrics": dict, "params": dict, "outputs": dict}
_FAILURE_TYPES = {"class": str, "message": str}


class LocalBackend:
    """Runs jobs as processes of this machine, below ``runs/`` of the object store."""

    is_host_bound = True

    def __init__(self, store: Path) -> None:
        self._runs = store / "runs"
        self._token_files = store / "tokens"

    def make_submission(self, task: Task) -> Submission:
        run = task.run
        spec = RunSpec(
            token=run.token,
            run=run.id,
            address=str(run.address),
            command=task.command,
            token_file=self._token_files / run.token,
            folder=self._runs / run.id,
            code=task.code,
            inputs=task.inputs,
            outputs=task.outputs,
            path_entries=task.path_entries,
            environment=task.environment,
            variables=task.variables,
            timeout=task.timeout,
        )
        return Submission(run.id, run.token, spec)

    def submit(self, submission: Submission) -> None:
        if self.find(submission.run, submission.token) is not None:
            return
        folder = self._runs / submission.run
        _make_private_folders(self._runs, folder, self._token_files)
        create_private_file(folder / "runner.pyz", build_zipapp())
        with _inheritable_lock(folder / _SUPERVISOR_LOCK) as alive, _inheritable_lock(folder / _COMMAND_LOCK) as child:
            spec = replace(submission.spec, alive_fd=alive, child_lock_fd=child)
            _write_json(folder / _SPEC_FILE, spec.to_json())
            _write_json(folder / _SUPERVISOR_FILE, {"pid": _start_supervisor(folder), "host": socket.gethostname()})

    def find(self, run: str, token: str) -> RunReport | None:
        folder = self._runs / run
        spec = read_json_object(folder / _SPEC_FILE)
        if spec is None or spec.get("token") != token:
            return None
        report = self._read_report(folder)
        # Without a supervisor and a token file, the process that submitted it was killed before the run started.
        is_submitted = report.status is not RunStatus.LOST or (self._token_files / token).exists()
        return report if is_submitted else None

    def poll(self, runs: Iterable[str]) -> Mapping[str, RunReport]:
        return {run: self._read_report(self._runs / run) for run in runs}

    def cancel(self, run: str) -> bool:
        folder = self._runs / run
        locks = (folder / _SUPERVISOR_LOCK, folder / _COMMAND_LOCK)
        was_running = any(map(_is_locked, locks)) or bool(find_marked(folder))
        _signal_until_ended(
            run,
            partial(_is_locked, locks[0]),
            lambda: _supervisor_pid(folder),
            lambda pid: os.kill(pid, signal.SIGTERM),
        )
        _signal_until_ended(
            run,
            partial(_is_locked, locks[1]),
            lambda: _command_pgid(folder),
            lambda pgid: _kill_processes(folder, pgid),
        )
        _signal_until_ended(run, lambda: bool(find_marked(folder)), lambda: 0, lambda _: _kill_processes(folder))
        return was_running

    def run_folder(self, run: str) -> Path:
        return self._runs / run

    def log_path(self, run: str) -> Path:
        return self._runs / run / LOG_FILE

    def outputs_path(self, run: str) -> Path:
        return self._runs / run / OUTPUTS_FOLDER

    def metrics_path(self, run: str) -> Path:
        return self._runs / run / METRICS_FILE

    def _read_report(self, folder: Path) -> RunReport:
        is_alive = _is_locked(folder / _SUPERVISOR_LOCK)  # checked before the result, which may be written meanwhile
        result = read_json_object(folder / RESULT_FILE)
        if result is not None:
            return _report_result(result)
        if is_alive:
            is_started = (folder / COMMAND_FILE).exists()
            return RunReport(RunStatus.RUNNING if is_started else RunStatus.QUEUED)
        cause = "its supervisor ended without a result" if folder.is_dir() else "its folder was removed"
        return RunReport(RunStatus.LOST, message=cause)


def _make_private_folders(*folders: Path) -> None:
    """Make folders of runs. Raise UserError ``file-unusable`` if something else is in the place of one."""
    try:
        for folder in folders:
            make_private_folder(folder)
    except (FileExistsError, NotADirectoryError) as error:
        message = f"{error.filename} cannot be used: {error.strerror}"
        raise user_error("file-unusable", message, "put a folder in its place, or remove it") from error


def make_local_backend(_settings: Mapping[str, Json], store: Path) -> LocalBackend:
    """Return the backend; it has no settings of its own."""
    return LocalBackend(store)


def _start_supervisor(folder: Path) -> int:
    """Start the supervisor in a session of its own and return its process id.

    It gets none of the caller's secrets: a job can read the environment that its parent was started with.
    """
    command = [sys.executable, "-I", str(folder / "runner.pyz"), str(folder / _SPEC_FILE)]
    touch_private_file(folder / "supervisor.log")
    with (folder / "supervisor.log").open("ab") as log:
        file_actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
        ]
        variables = allowed_variables(os.environ)
        return os.posix_spawn(sys.executable, command, variables, file_actions=file_actions, setsid=True)


@contextmanager
def _inheritable_lock(path: Path) -> Iterator[int]:
    """Yield a locked file descriptor for a process to inherit; that process keeps the lock when it is closed here."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.set_inheritable(descriptor, True)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_locked(path: Path) -> bool:
    """Return True if a living process holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError:  # there is none, or something else in its place
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared, so that two checks do not see each other
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _supervisor_pid(folder: Path) -> int | None:
    """Return the process id of a supervisor; the token file has it if the submitter was killed before it wrote it."""
    spec = read_json_object(folder / _SPEC_FILE)
    process = read_json_object(folder / _SUPERVISOR_FILE) or (
        read_json_object(Path(str(spec.get("token_file")))) if spec else None
    )
    return _process_number(process, "pid")


def _command_pgid(folder: Path) -> int | None:
    """Return the process group of a command."""
    return _process_number(read_json_object(folder / COMMAND_FILE), "pgid")


def _process_number(document: Mapping[str, Json] | None, name: str) -> int | None:
    """Return the number of a process in a document; None if it has none that could be one of a run."""
    number = (document or {}).get(name)
    return number if isinstance(number, int) and number > 1 else None


def _has_types(document: Mapping[str, Json], types: Mapping[str, type]) -> bool:
    return all(isinstance(document[name], types[name]) for name in types.keys() & document.keys())


def _report_result(result: Mapping[str, Json]) -> RunReport:
    """Return what result.json says of a run; what no runner has written counts as lost."""
    failure = result.get("failure") or {}
    is_valid = _has_types(result, _RESULT_TYPES) and isinstance(failure, dict) and _has_types(failure, _FAILURE_TYPES)
    if not is_valid or result.get("status") not in _FINAL_STATUSES:
        return RunReport(RunStatus.LOST, message=f"its {RESULT_FILE} is damaged")
    return RunReport(RunStatus(result["status"]), result)


def _kill_processes(folder: Path, pgid: int | None = None) -> None:
    """Kill the processes of a run that its supervisor has left, in whatever session they are."""
    if pgid is not None:
        with suppress(ProcessLookupError):
            os.killpg(pgid, signal.SIGKILL)
    send_signal(find_marked(folder), signal.SIGKILL)


def _signal_until_ended(
    run: str, is_running: Callable[[], bool], find_process: Callable[[], int | None], signal_it: Callable[[int], None]
) -> None:
    """Signal a process as long as it, or what holds its lock, is running."""
    deadline = time.monotonic() + _CANCEL_TIMEOUT_SECONDS
    while is_running():
        if time.monotonic() > deadline:
            message = f"run {run} has not stopped within {_CANCEL_TIMEOUT_SECONDS:.0f} s"
            raise user_error("cancel-failed", message, "look for its processes with ps, then run the command again")
        process = find_process()
        if process is not None:
            with suppress(ProcessLookupError):  # it ended by itself meanwhile
                signal_it(process)
        time.sleep(_POLL_SECONDS)


def _write_json(path: Path, document: Json) -> None:
    temporary = path.with_suffix(".part")
    create_private_file(temporary, json.dumps(document, indent=1).encode())
    temporary.replace(path)
