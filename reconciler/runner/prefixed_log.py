"""The output of one process of several, copied to their common log: each line with the name of its process."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import IO

_MAX_LINE_BYTES = 1 << 16  # a longer line is written as several


def start_copying_lines(output: IO[bytes], log: Path, prefix: str) -> threading.Thread:
    """Start a thread that appends the lines of an output to a log until its last writer has ended; return it."""
    thread = threading.Thread(target=_copy_lines, args=(output, log, prefix.encode()), daemon=True)
    thread.start()
    return thread


def _copy_lines(output: IO[bytes], log: Path, prefix: bytes) -> None:
    """Copy lines, each in one call; if the log cannot be written, the pipe is closed, which ends who writes to it."""
    try:
        with output, log.open("ab", buffering=0) as file:
            while line := output.readline(_MAX_LINE_BYTES):
                file.write(prefix + line.removesuffix(b"\n") + b"\n")
    except OSError as error:
        sys.stderr.write(f"{log} cannot be written: {error.strerror}\n")
