"""The process that reads tables: one request as JSON on its standard input, answers as lines of JSON.

It is started by `tables.process`, sets its own limits of memory and time, and can write no file. An answer is written
as soon as it is there, so that those before the end of the process are not lost.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from reconciler.abbreviation import cut_middle
from reconciler.runner.parallel.text_tables import TableError
from reconciler.tables.batches import open_table
from reconciler.tables.compare import compare_tables
from reconciler.tables.formats import TableFormat
from reconciler.tables.head import head_of_file, head_of_mltable
from reconciler.tables.limits import MEMORY_REASON, Deadline

_MEMORY = Path("/proc/self/statm")  # not on all systems; there the time bounds the memory too
_MAX_REASON = 300  # characters of what a library says, which may quote the data


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    _limit_process(request["seconds"] + request["grace"], request["memory"])
    pa.set_cpu_count(2)
    deadline = Deadline.after(request["seconds"])._replace(seconds=request.get("budget", request["seconds"]))
    for answer in _answers(request, deadline):
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _limit_process(seconds: float, memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.setitimer(signal.ITIMER_REAL, seconds)  # the signal ends the process, whatever it does
    if _MEMORY.exists():
        used = int(_MEMORY.read_text("ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory,) * 2)


def _answers(request: Any, deadline: Deadline) -> Iterator[Any]:
    if "pairs" in request:
        for pair in request["pairs"]:
            yield _guarded(lambda pair=pair: _compare(pair, deadline))
    elif "table" in request:
        yield _guarded(lambda: head_of_mltable(request["table"], request["rows"], deadline))
    else:
        form = TableFormat(*request["format"])
        yield _guarded(lambda: head_of_file(request["file"], form, request["rows"], deadline))


def _guarded(answer: Any) -> Any:
    """Return an answer, or why there is none: what a library says of what it cannot read is no bug of ours."""
    try:
        return answer()
    except TableError as error:
        return {"error": str(error)}
    except (MemoryError, pa.ArrowMemoryError):
        return {"error": MEMORY_REASON}
    except RecursionError:
        return {"error": "its values are nested too deeply"}
    except (pa.ArrowException, ValueError, OSError, EOFError) as error:
        return {"error": cut_middle(" ".join(str(error).split()), _MAX_REASON) or type(error).__name__}


def _compare(pair: Any, deadline: Deadline) -> Any:
    if deadline.has_passed:
        raise TableError(str(deadline))
    before, after = (open_table(side["path"], TableFormat(*side["format"]), deadline) for side in pair)
    return compare_tables(before, after, deadline).to_json()


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # threads of pyarrow need not be waited for
