"""A process of Git with a deadline: it is ended, with all that it started, if it takes too long.

A local command has a long deadline for all of it. A command that talks to a remote has a short one, for the time
without a sign of life: Git reports progress as long as there is any. MLGIT_GIT_TIMEOUT and MLGIT_NETWORK_TIMEOUT change
them.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO
from weakref import WeakSet

from reconciler.diagnostics import UserError, user_error

LOCAL_TIMEOUT_VARIABLE, NETWORK_TIMEOUT_VARIABLE = "MLGIT_GIT_TIMEOUT", "MLGIT_NETWORK_TIMEOUT"
_DEFAULT_SECONDS = {LOCAL_TIMEOUT_VARIABLE: 900.0, NETWORK_TIMEOUT_VARIABLE: 60.0}
_MAX_NETWORK_SECONDS = 3600.0  # for all of a command, however often a remote says something
_MAX_TIMEOUT = 7 * 86400.0
_TERMINATION_SECONDS = 2.0  # for Git to remove its lock files
_CHUNK_BYTES = 1 << 16

_started: WeakSet[subprocess.Popen[bytes]] = WeakSet()


class GitTimeoutError(Exception):
    """A Git process was ended because it took longer than ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def timeout_seconds(variable: str) -> float:
    """Return the seconds that a variable of the environment sets, else the default. Raises UserError `wrong-value`."""
    text = os.environ.get(variable, "")
    try:
        seconds = float(text) if text else _DEFAULT_SECONDS[variable]
    except ValueError:
        seconds = 0
    if not 0 < seconds <= _MAX_TIMEOUT:
        raise user_error(
            "wrong-value", f"{variable} is {text}, which is no number of seconds", "set it to 60, or unset it"
        )
    return seconds


def read_all(process: subprocess.Popen[bytes], stdin: bytes | None = None) -> tuple[bytes, bytes]:
    """Return the output of a local process that ends within its deadline. Raises UserError ``git-timeout``."""
    seconds = timeout_seconds(LOCAL_TIMEOUT_VARIABLE)
    with _end_on_failure(process, local_timeout_error(seconds)):
        return process.communicate(stdin, seconds)


def read_all_from_network(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Return the output of a process that talks to a remote and never is silent for long. Raises GitTimeoutError."""
    seconds = timeout_seconds(NETWORK_TIMEOUT_VARIABLE)
    with _end_on_failure(process, GitTimeoutError(seconds)):
        outputs = _read_streams([process.stdout, process.stderr], seconds)
        process.wait(seconds)
    return outputs[0], outputs[1]


@contextmanager
def _end_on_failure(process: subprocess.Popen[bytes], timeout: Exception) -> Iterator[None]:
    """End a process and its children if it cannot be waited for; raise ``timeout`` if it has not ended in time."""
    try:
        yield
    except subprocess.TimeoutExpired:
        end_group(process)
        raise timeout from None
    except BaseException:
        end_group(process)
        raise


def _read_streams(streams: Sequence[IO[bytes] | None], seconds: float) -> list[bytes]:
    """Read streams to their ends; raise GitTimeoutError if all of them are silent for that long."""
    deadline = time.monotonic() + _MAX_NETWORK_SECONDS
    outputs = [bytearray() for _ in streams]
    with selectors.DefaultSelector() as selector:
        for stream, output in zip(streams, outputs, strict=True):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, output)
        while selector.get_map():
            ready = selector.select(seconds)
            if not ready or time.monotonic() > deadline:
                raise GitTimeoutError(seconds)
            for key, _ in ready:
                if chunk := os.read(key.fd, _CHUNK_BYTES):
                    key.data.extend(chunk)
                else:
                    selector.unregister(key.fileobj)
    return [bytes(output) for output in outputs]


def register(process: subprocess.Popen[bytes]) -> None:
    """Remember a process that leads a session: what ends mlgit by a signal does not reach it otherwise."""
    _started.add(process)


def end_all() -> None:
    """End all processes that are running, for a handler of signals."""
    for process in list(_started):
        if process.poll() is None:
            end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a session, and all that it started, such as ssh: with SIGTERM, then with SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):  # Git removes its lock files when it is terminated
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TERMINATION_SECONDS)


def local_timeout_error(seconds: float) -> UserError:
    """Return the error of a local command of Git that took too long."""
    hint = (
        f"look for what keeps the disk busy, or set the variable {LOCAL_TIMEOUT_VARIABLE} to more seconds; in a "
        "partial clone Git may wait for its remote: `git fetch --refetch --no-filter` gets all objects"
    )
    return user_error("git-timeout", f"a Git command took longer than {seconds:g} seconds and was ended", hint)
