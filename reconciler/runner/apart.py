"""A run in a session apart from the process that a scheduler has started, knows, and kills.

Some schedulers kill the processes that they have started after seconds, and leave those that have a session of their
own. The process that such a one knows only holds a pipe: when it is asked to stop, or killed, the run is asked to stop,
ends all of its processes in its time and writes its result. When the run itself is killed, it kills what that leaves.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from .descendants import kill_marked
from .files import write_json_atomically
from .result import RESULT_FILE

END_FILE = "apart-end.json"
"""What is written into the folder of a run that was killed, when none of its processes is left."""
_KILLED = 1


def execute_apart(folder: Path, execute: Callable[[], int]) -> int:
    """Execute a run in a process with a session of its own and no parent that waits; return its exit code in both.

    The process that returns first is that of the run; the other one returns when the run has ended.
    """
    lease_end, lease = os.pipe()
    outcome, outcome_end = os.pipe()
    middle = os.fork()
    if not middle:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.close(lease)
        os.close(outcome)
        threading.Thread(target=_stop_without_lease, args=(lease_end,), daemon=True).start()
        code = execute()
        os.write(outcome_end, bytes([code]))
        return code
    os.close(lease_end)
    os.close(outcome_end)
    os.waitpid(middle, 0)
    return _wait_for_run(folder, lease, outcome)


def _stop_without_lease(lease_end: int) -> None:
    """Ask this process to stop when no process holds the other end of a pipe any more."""
    os.read(lease_end, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _wait_for_run(folder: Path, lease: int, outcome: int) -> int:
    """Return the exit code of the run when it has ended; let go of its lease when this process is asked to stop."""

    def release(_number: int, _frame: FrameType | None) -> None:
        with suppress(OSError):  # it was asked before
            os.close(lease)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, release)
    code = os.read(outcome, 1)
    if code:
        return code[0]
    kill_marked(folder)
    if not (folder / RESULT_FILE).exists():
        write_json_atomically(folder / END_FILE, {})
    return _KILLED
