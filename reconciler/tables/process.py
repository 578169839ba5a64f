"""Start the process that reads tables, and take its answers: it can end in any way, mlgit does not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from reconciler.model import Json
from reconciler.model.data_diff import TableDiff
from reconciler.tables.formats import TableFormat
from reconciler.tables.limits import MAX_MEMORY, MEMORY_REASON, Deadline

INSTALL_HINT = "install 'mlgit[tables]' to see columns"
_START = 30.0  # seconds that starting the process may take besides, on a busy machine
_GRACE = 2.0  # seconds after its time in which it may end by itself
_PACKAGE_FOLDER = Path(__file__).parents[2]
_WORKER = "reconciler.tables.worker"
_MEMORY_SIGNALS = {signal.SIGKILL, signal.SIGABRT}


def can_read_tables() -> bool:
    """Return True if pyarrow is installed; it is not imported."""
    return find_spec("pyarrow") is not None


def pair_request(paths: Sequence[str], forms: Sequence[TableFormat]) -> list[Json]:
    """Return what the process is asked about two files that are to be compared."""
    return [{"path": path, "format": list(form)} for path, form in zip(paths, forms, strict=True)]


def compare_files(
    requests: Mapping[int, Json], seconds: float, memory: int = MAX_MEMORY, grace: float = _GRACE
) -> dict[int, TableDiff]:
    """Return what differs between pairs of files (`pair_request`), each by its number.

    It is asked until all is answered: what ended the process is not compared, and the next ones are asked again.
    """
    diffs: dict[int, TableDiff] = {}
    waiting, deadline = list(requests.items()), Deadline.after(seconds)
    left = seconds  # the first process gets all the time, however long it takes to start
    while waiting:
        if left <= 0:
            return diffs | {index: TableDiff(not_compared=str(deadline)) for index, _ in waiting}
        pairs = [request for _, request in waiting]
        answers, reason = ask_worker({"pairs": pairs, "budget": seconds}, left, memory, grace)
        for (index, _), answer in zip(waiting, answers, strict=False):
            diffs[index] = TableDiff(not_compared=answer["error"]) if "error" in answer else TableDiff.from_json(answer)
        waiting = waiting[len(answers) :]
        if waiting:
            index, _ = waiting.pop(0)
            diffs[index] = TableDiff(not_compared=reason)
        left = deadline.at - time.monotonic()
    return diffs


def ask_worker(
    request: Mapping[str, Json], seconds: float, memory: int = MAX_MEMORY, grace: float = _GRACE
) -> tuple[list[Json], str]:
    """Return the answers of a process that reads tables, and why it ended before it was ready; "" if it was.

    It gets no variable of the environment that could be a secret. It ends after so many seconds (``grace`` more if it
    does not look at the clock), or if it needs more bytes of memory.
    """
    budget = request.get("budget", seconds)  # what a person is told, of which others may have taken a part
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", _WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=_PACKAGE_FOLDER,
        env=_environment(),
    )
    text = json.dumps({**request, "seconds": seconds, "grace": grace, "memory": memory}).encode()
    try:
        output, errors = process.communicate(text, seconds + grace + _START)
        end = _describe_end(process.returncode, errors, budget)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        end = f"more than {budget:g} s"
    except BaseException:
        process.kill()
        process.wait()
        raise
    complete = output[: output.rfind(b"\n") + 1]
    return [json.loads(line) for line in complete.splitlines()], end


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(_PACKAGE_FOLDER), os.environ.get("PYTHONPATH"))))
    fixed = {
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        # Allocators that reserve addresses in advance do not work within a limit of them.
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "MALLOC_ARENA_MAX": "2",
        "OPENBLAS_NUM_THREADS": "1",
    }
    return {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TZDIR") if name in os.environ} | fixed


def _describe_end(exit_code: int, errors: bytes, seconds: float) -> str:
    if exit_code == 0:
        return ""
    if exit_code == -signal.SIGALRM:
        return f"more than {seconds:g} s"
    if -exit_code in _MEMORY_SIGNALS or b"bad_alloc" in errors or b"MemoryError" in errors:
        return MEMORY_REASON
    if exit_code < 0:
        return f"reading it ended the reader with signal {-exit_code}"
    last = errors.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"exit code {exit_code}"]
    return f"the reader failed: {last[0]}"
