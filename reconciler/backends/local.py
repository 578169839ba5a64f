"""local: runs are processes of this machine, each under a supervisor that outlives the command that started it.

Whether a supervisor is alive is told by a file lock that it inherits, not by a process id: the kernel lets go of the
lock with the process, and no other process can be taken for it. The command holds a second one, so that what a killed
supervisor left behind is found.
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
from pathlib import Path

from reconciler.backends import Submission, Task
from reconciler.diagnostics import user_error
from reconciler.model import Json, RunReport, RunStatus
from reconciler.runner.environment import allowed_variables
from reconciler.runner.zipapp import build_zipapp

_SPEC_FILE, _RESULT_FILE, _COMMAND_FILE, _SUPERVISOR_FILE = (
    "spec.json",
    "result.json",
    "command.json",
    "supervisor.json",
)
_SUPERVISOR_LOCK, _COMMAND_LOCK = "alive.lock", "child.lock"
_POLL_SECONDS = 0.05
_CANCEL_TIMEOUT_SECONDS = 30.0


class LocalBackend:
    """Runs jobs as processes of this machine, below ``runs/`` of the store."""

    is_host_bound = True

    def __init__(self, store: Path) -> None:
        self._runs = store / "runs"
        self._claims = store / "claims"

    def make_submission(self, work: Task) -> Submission:
        run = work.run
        spec = {
            "format": 1,
            "token": run.token,
            "run": run.id,
            "address": str(run.address),
            "command": work.command,
            "claim": str(self._claims / run.token),
            "folder": str(self._runs / run.id),
            "code": [list(each) for each in work.code],
            "inputs": dict(work.inputs),
            "outputs": dict(work.outputs),
            "environment": {"path": list(work.path_entries), "variables": dict(work.environment)},
            "variables": dict(work.variables),
            "timeout": work.timeout,
            "tracking": None,
        }
        return Submission(run.id, run.token, spec)

    def submit(self, submission: Submission) -> None:
        if self.find(submission.run, submission.token) is not None:
            return
        folder = self._runs / submission.run
        folder.mkdir(parents=True, exist_ok=True)
        self._claims.mkdir(parents=True, exist_ok=True)
        (folder / "runner.pyz").write_bytes(build_zipapp())
        with _inheritable_lock(folder / _SUPERVISOR_LOCK) as alive, _inheritable_lock(folder / _COMMAND_LOCK) as child:
            spec = {**submission.spec, "alive_fd": alive, "child_lock_fd": child}
            _write_json(folder / _SPEC_FILE, spec)
            _write_json(folder / _SUPERVISOR_FILE, {"pid": _start_supervisor(folder), "host": socket.gethostname()})

    def find(self, run: str, token: str) -> RunReport | None:
        folder = self._runs / run
        spec = _read_json(folder / _SPEC_FILE)
        if spec is None or spec["token"] != token:
            return None
        report = self._read_report(folder)
        # Nobody there, and the token unclaimed: whoever submitted it was killed before it began.
        return None if report.status is RunStatus.LOST and not (self._claims / token).exists() else report

    def poll(self, runs: Iterable[str]) -> Mapping[str, RunReport]:
        return {run: self._read_report(self._runs / run) for run in runs}

    def cancel(self, run: str) -> None:
        folder = self._runs / run
        _signal_until_released(
            run, folder / _SUPERVISOR_LOCK, lambda: _supervisor_pid(folder), lambda pid: os.kill(pid, signal.SIGTERM)
        )
        _signal_until_released(
            run, folder / _COMMAND_LOCK, lambda: _command_pgid(folder), lambda group: os.killpg(group, signal.SIGKILL)
        )

    def log_path(self, run: str) -> Path:
        return self._runs / run / "user_logs" / "std_log.txt"

    def outputs_path(self, run: str) -> Path:
        return self._runs / run / "outputs"

    def metrics_path(self, run: str) -> Path:
        return self._runs / run / "metrics.jsonl"

    def _read_report(self, folder: Path) -> RunReport:
        alive = _is_locked(folder / _SUPERVISOR_LOCK)  # asked first: a result that is written meanwhile is seen below
        result = _read_json(folder / _RESULT_FILE)
        if result is not None:
            return RunReport(RunStatus(result["status"]), result)
        if alive:
            started = (folder / _COMMAND_FILE).exists()
            return RunReport(RunStatus.RUNNING if started else RunStatus.QUEUED)
        return RunReport(RunStatus.LOST, message="its supervisor ended without a result")


def make_local_backend(_settings: Mapping[str, Json], store: Path) -> LocalBackend:
    """Make the backend; it has no settings of its own."""
    return LocalBackend(store)


BACKEND = make_local_backend


def _start_supervisor(folder: Path) -> int:
    """Start the supervisor in a session of its own and return its process id.

    It gets no secret of the caller's: a job can read what its parent was started with.
    """
    command = [sys.executable, "-I", str(folder / "runner.pyz"), str(folder / _SPEC_FILE)]
    with (folder / "supervisor.log").open("ab") as log:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
        ]
        return os.posix_spawn(sys.executable, command, allowed_variables(os.environ), file_actions=actions, setsid=True)


@contextmanager
def _inheritable_lock(path: Path) -> Iterator[int]:
    """Give a locked descriptor for a process to inherit; closed here, the lock stays with that process."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.set_inheritable(descriptor, True)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_locked(path: Path) -> bool:
    """Tell whether a living process holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: those who ask do not see each other
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _supervisor_pid(folder: Path) -> int | None:
    """Return the process of a supervisor; its claim names it too, should the submitter have been killed too soon."""
    spec = _read_json(folder / _SPEC_FILE)
    noted = _read_json(folder / _SUPERVISOR_FILE) or (_read_json(Path(spec["claim"])) if spec else None)
    return noted["pid"] if noted else None


def _command_pgid(folder: Path) -> int | None:
    """Return the process group of a command."""
    noted = _read_json(folder / _COMMAND_FILE)
    return noted["pgid"] if noted else None


def _signal_until_released(run: str, lock: Path, find: Callable[[], int | None], tell: Callable[[int], None]) -> None:
    """Tell the holder of a lock to end, until nobody holds it."""
    deadline = time.monotonic() + _CANCEL_TIMEOUT_SECONDS
    while _is_locked(lock):
        if time.monotonic() > deadline:
            message = f"run {run} has not stopped within {_CANCEL_TIMEOUT_SECONDS:.0f} s"
            raise user_error("cancel-failed", message, "look for its processes with ps, then run the command again")
        process = find()
        if process is not None:
            with suppress(ProcessLookupError):  # it has just ended by itself
                tell(process)
        time.sleep(_POLL_SECONDS)


def _write_json(path: Path, value: Json) -> None:
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(value, indent=1), encoding="utf-8")
    partial.replace(path)


def _read_json(path: Path) -> Json:
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):  # not there, or only beginning to be: a claim is not written in one step
        return None
