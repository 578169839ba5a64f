"""Runs programs in sessions of their own, so that Ctrl-C only reaches mlgit, which then terminates them.

They run in the root folder of the disk, so that they read no settings of a repository. They inherit the locks of their
build: a program that outlives an mlgit that was killed holds them until it ends, and no other process builds the same
meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from reconciler.diagnostics import user_error

_T = TypeVar("_T")
_GRACE_SECONDS = 2.0  # between SIGTERM and SIGKILL


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of a command that has ended."""

    exit_code: int
    stdout: str
    stderr: str


def run_command(command: Sequence[str], environment: Mapping[str, str], stdin: str = "") -> CommandResult:
    """Run a program until it ends; if mlgit is interrupted, terminate it before the interrupt is raised."""
    with _start(command, environment, subprocess.PIPE) as child:
        stdout, stderr = _until_end(child, lambda: child.communicate(stdin))
    return CommandResult(child.returncode, stdout, stderr)


def stream_command(command: Sequence[str], environment: Mapping[str, str], on_line: Callable[[str], None]) -> int:
    """Run a program, give each line that it prints to a function, and return its exit code; see `run_command`."""

    def read_lines() -> None:
        for line in child.stdout or ():
            on_line(line.rstrip("\n"))
        child.wait()

    with _start(command, environment, subprocess.STDOUT) as child:
        _until_end(child, read_lines)
    return child.returncode


@contextmanager
def let_programs_inherit(descriptor: int) -> Iterator[None]:
    """Let the programs that this thread runs meanwhile inherit a descriptor; not on Windows."""
    outer = _inherited_descriptors()
    _inherited.descriptors = (*outer, descriptor)
    try:
        yield
    finally:
        _inherited.descriptors = outer


def terminate_children() -> None:
    """Terminate all running programs; their callers get a UserError (``build-stopped``)."""
    while _children:
        _terminate_child(_children.pop())


_children: set[subprocess.Popen[str]] = set()
_inherited = threading.local()


def _inherited_descriptors() -> tuple[int, ...]:
    descriptors: tuple[int, ...] = getattr(_inherited, "descriptors", ())
    return descriptors


def _start(command: Sequence[str], environment: Mapping[str, str], stderr: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE if stderr == subprocess.PIPE else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        encoding="utf-8",
        errors="replace",
        env=dict(environment),
        cwd=Path(sys.executable).anchor,
        start_new_session=True,
        pass_fds=_inherited_descriptors() if os.name == "posix" else (),
    )


def _until_end(child: subprocess.Popen[str], wait: Callable[[], _T]) -> _T:
    _children.add(child)
    try:
        result = wait()
    except BaseException:
        _terminate_child(child)
        raise
    finally:
        is_stopped = child not in _children
        _children.discard(child)
    if is_stopped:
        raise user_error("build-stopped", "the build was stopped", "run `mlgit apply` again to resume")
    return result


def _terminate_child(child: subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
