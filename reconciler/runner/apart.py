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
from pathlib import Path
from types import FrameType

from .descendants import kill_marked
from .distribution import RAY_TEMPORARY_FILE
from .files import write_json_atomically
from .modules import load_module
from .result import RESULT_FILE

END_FILE = "apart-end.json"
"""What is written into the folder of a run that was killed, when none of its processes is left."""
_KILLED = 1


def execute_apart(
    folder: Path,
    execute: Callable[[], int],
    end: Callable[[], None] | None = None,
    *,
    has_lease_input: bool = False,
) -> int:
    """Execute a run in a process with a session of its own and no parent that waits; return its exit code in both.

    The process that returns first is that of the run; the other one returns when the run has ended. ``end`` ends what a
    killed run has left, in its folder by default. With ``has_lease_input``, the run is also asked to stop when the
    standard input of the other process ends, as it does with the process that has started it.
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
    ended = _wait_for_run(lease, outcome, has_lease_input=has_lease_input)
    if ended is not None:
        return ended
    if end:
        end()
    else:
        end_killed_run(folder)
    return _KILLED


def end_killed_run(folder: Path) -> None:
    """Kill the processes that a killed run has left, and note that none of them is left."""
    kill_marked(folder)
    if (folder / RAY_TEMPORARY_FILE).exists():
        load_module("ray_cluster").remove_ray_folder(folder)
    if not (folder / RESULT_FILE).exists():
        write_json_atomically(folder / END_FILE, {})


def _stop_without_lease(lease_end: int) -> None:
    """Ask this process to stop when no process holds the other end of a pipe any more."""
    os.read(lease_end, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _wait_for_run(lease: int, outcome: int, *, has_lease_input: bool) -> int | None:
    """Return the exit code of the run when it has ended, None if it was killed.

    Let go of its lease when this process is asked to stop.
    """
    is_released = threading.Event()

    def release(_number: int, _frame: FrameType | None) -> None:
        if not is_released.is_set():
            is_released.set()
            os.close(lease)

    def wait_for_input_end() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, release)
    if has_lease_input:
        threading.Thread(target=wait_for_input_end, daemon=True).start()
    code = os.read(outcome, 1)
    return code[0] if code else None
