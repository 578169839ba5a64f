"""One process of a job with MPI: the command, with the variables of its rank, its log and its end.

``mpirun`` gives processes a second between SIGTERM and SIGKILL. So what it knows is a process that passes SIGTERM on,
and the command is in a session of its own: the runner gives it the time that all commands get.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from types import FrameType

from .distribution import MpiLaunch, mpi_variables, share_devices
from .files import read_shared_json, write_json_once
from .mpi import FAILURE_FILE, LOG_VARIABLE, RANKS_FILE
from .prefixed_log import start_copying_lines
from .process import find_shell

_LOG_SECONDS = 10.0  # for the last lines, after the end of the command


def execute_rank(folder: Path) -> int:
    """Execute the command as the rank that the variables say, by the folder that `mpi` has written; return its code."""
    ranks = read_shared_json(folder / RANKS_FILE)
    if ranks is None:
        raise FileNotFoundError(folder / RANKS_FILE)
    blocked = {signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    child = os.fork()
    if not child:
        os.setsid()
        code = 1
        try:
            code = _Command(
                folder, ranks["command"], MpiLaunch(ranks["count"], ranks["instances"], tuple(ranks["hosts"]))
            ).run()
        finally:
            os._exit(code)
    is_passed = False

    def pass_on(number: int, _frame: FrameType | None) -> None:
        nonlocal is_passed
        if not is_passed:
            is_passed = True
            with suppress(ProcessLookupError):
                os.kill(child, number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class _Command:
    """The command of a rank, until it ends."""

    def __init__(self, folder: Path, command: str, launch: MpiLaunch) -> None:
        self._folder, self._command, self._launch = folder, command, launch
        self._rank = int(os.environ["OMPI_COMM_WORLD_RANK"])
        self._is_ended_by_others = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Return the exit code, as a shell has it."""
        log = Path(os.environ[LOG_VARIABLE])
        signal.signal(signal.SIGTERM, self._terminate)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # the command inherits what is blocked
        self._process = process = subprocess.Popen(
            [find_shell(), "-c", self._command],
            env=self._variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if self._is_ended_by_others:
            self._signal(signal.SIGTERM)
        if process.stdout is None:
            raise ValueError(process)
        copying = start_copying_lines(process.stdout, log, f"[rank {self._rank}] ")
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # as long as it is there, its group is no other
        self._signal(signal.SIGKILL)
        return_code = process.wait()
        if return_code and not self._is_ended_by_others:
            with suppress(FileExistsError):  # another rank has failed before
                failure = {"rank": self._rank, "return_code": return_code}
                write_json_once(self._folder / FAILURE_FILE, failure)
        copying.join(_LOG_SECONDS)
        return return_code if return_code >= 0 else 128 - return_code

    def _variables(self) -> dict[str, str]:
        count, hosts = self._launch.count, self._launch.hosts
        variables = {name: value for name, value in os.environ.items() if name != LOG_VARIABLE}
        own = mpi_variables(self._rank, count, self._launch.instances, *hosts[:1])
        shared = {} if hosts else share_devices(variables, self._rank // count, self._launch.instances)
        return {**variables, **shared, **own}

    def _terminate(self, _number: int, _frame: FrameType | None) -> None:
        self._is_ended_by_others = True
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
