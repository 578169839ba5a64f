"""Evaluate in a process of its own what may need much memory or time, within limits."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path

_MAX_SECONDS = 5  # of processor time
_MAX_BYTES = 512 * 2**20  # of memory, more than this process has
_MEMORY = Path("/proc/self/statm")  # not on all systems; there the time bounds the memory too


class TooCostlyError(Exception):
    """An evaluation needs more memory or time than it may."""


def call_bounded(evaluate: Callable[[], list[bool | str]]) -> list[bool | str]:
    """Return what a function returns that is called in a forked process. Raise TooCostlyError if it exceeds a limit."""
    reader, writer = os.pipe()
    process = os.fork()
    if not process:
        _answer(evaluate, writer)
    os.close(writer)
    with open(reader, "rb") as file:  # noqa: PTH123 - a pipe has no path
        answer = file.read()
    _, status = os.waitpid(process, 0)
    if status or not answer:
        raise TooCostlyError
    found: list[bool | str] = json.loads(answer)
    return found


def _answer(evaluate: Callable[[], list[bool | str]], writer: int) -> None:
    """Write what a function returns, and end this process: nothing else of its parent may happen in it."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (_MAX_SECONDS, _MAX_SECONDS))
        if _MEMORY.exists():
            used = int(_MEMORY.read_text("ascii").split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + _MAX_BYTES,) * 2)
        os.write(writer, json.dumps(evaluate()).encode())
        os._exit(0)
    finally:
        os._exit(1)
