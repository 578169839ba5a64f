"""A worker process as the controller has it: its channel, its mini-batch, and how long it may take."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from .batches import MiniBatch

_CHUNK_SIZE = 1 << 16


class Started(NamedTuple):
    """A worker process, and this end of its channel."""

    process: subprocess.Popen[bytes]
    channel: socket.socket


class WorkerProcess:
    """What the controller knows of a worker; ``deadline`` is when it has to have done what it does now."""

    def __init__(self, started: Started, deadline: float) -> None:
        self.process, self.channel = started
        self.deadline = deadline
        self.batch: MiniBatch | None = None
        self.is_ready = False
        self.is_stopping = False
        self._received = b""

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield what has come, without waiting for more."""
        while True:
            try:
                chunk = self.channel.recv(_CHUNK_SIZE, socket.MSG_DONTWAIT)
            except (BlockingIOError, ConnectionError):
                break
            if not chunk:
                break
            self._received += chunk
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            yield json.loads(line)

    def give(self, batch: MiniBatch, deadline: float) -> None:
        """Hand over a mini-batch; that of a worker that ends meanwhile is found when its end is."""
        self.batch, self.deadline = batch, deadline
        with suppress(OSError):  # it has ended
            self.channel.sendall(json.dumps({"batch": batch.number, "items": batch.items}).encode() + b"\n")

    def stop(self, deadline: float) -> None:
        """Let it call shutdown() and end."""
        self.is_stopping, self.deadline = True, deadline
        with suppress(OSError):  # it has ended
            self.channel.shutdown(socket.SHUT_WR)

    @property
    def end(self) -> str:
        """How it has ended, as a predicate: `was ended by SIGKILL`."""
        return _describe_end(self.process.returncode)

    def kill(self) -> None:
        """End it at once, and the processes that it has started."""
        if self.process.returncode is None:
            with suppress(OSError):  # it has ended, and is not reaped yet
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.channel.close()


def _describe_end(return_code: int | None) -> str:
    if return_code is not None and return_code < 0:
        number = -return_code
        named = number in {*signal.Signals}
        return f"was ended by {signal.Signals(number).name if named else f'signal {number}'}"
    return f"ended with exit code {return_code}"


def start_worker(command: Sequence[str], arguments: Sequence[str]) -> Started:
    """Start a worker: between its command and the arguments of the script is the open file that is its channel."""
    ours, theirs = socket.socketpair()
    with theirs:
        number = theirs.fileno()
        words = [*command, str(number), *arguments]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, pass_fds=[number], start_new_session=True)
    return Started(process, ours)


def default_concurrency() -> int:
    """Return how many workers a machine gets: one for a GPU, else one for each core that this process may use."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "").strip() not in ("", "-1"):
        return 1
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(cores, _quota_of_container() or cores))


def _quota_of_container() -> int:
    """Return the number of cores that a container may use, 0 if it is not limited."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:  # noqa: PTH123 - one short read
            quota, period = file.read().split()
    except (OSError, ValueError):
        return 0
    return 0 if quota == "max" else max(1, int(quota) // int(period))
