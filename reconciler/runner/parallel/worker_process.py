"""A worker as the controller has it: its channel, its mini-batch, and how long it may take; and one of this machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from .batches import MiniBatch

_CHUNK_SIZE = 1 << 16


class Started(NamedTuple):
    """A worker process, and this end of its channel."""

    process: subprocess.Popen[bytes]
    channel: socket.socket


class Worker(ABC):
    """What the controller knows of a worker; ``deadline`` is when it has to have done what it does now.

    One that ``is_late`` was killed for that. ``delay`` are the seconds that its messages may take.
    """

    delay = 0.0

    def __init__(self, name: str, deadline: float) -> None:
        self.name, self.deadline = name, deadline + self.delay
        self.batch: MiniBatch | None = None
        self.is_ready = self.is_stopping = self.is_late = False

    def give(self, batch: MiniBatch, deadline: float) -> None:
        """Hand over a mini-batch; that of a worker that ends meanwhile is found when its end is."""
        self.batch, self.deadline = batch, deadline + self.delay
        self.send_batch(batch)

    def stop(self, deadline: float) -> None:
        """Let it call shutdown() and end."""
        self.is_stopping, self.deadline = True, deadline + self.delay
        self.close_channel()

    @property
    def end(self) -> str:
        """How it has ended, as a predicate: `was ended by SIGKILL`."""
        return _describe_end(self.return_code)

    @property
    @abstractmethod
    def return_code(self) -> int | None:
        """How it has ended, None if it has not."""

    @abstractmethod
    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield what has come, without waiting for more."""

    @abstractmethod
    def send_batch(self, batch: MiniBatch) -> None:
        """Send a mini-batch."""

    @abstractmethod
    def close_channel(self) -> None:
        """Say that there are no more mini-batches."""

    @abstractmethod
    def kill(self) -> None:
        """End it, and the processes that it has started."""


class WorkerProcess(Worker):
    """A worker that is a process of this machine."""

    def __init__(self, started: Started, deadline: float) -> None:
        self.process, self.channel = started
        super().__init__(str(self.process.pid), deadline)
        self._received = b""

    @property
    def return_code(self) -> int | None:
        return self.process.poll()

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

    def send_batch(self, batch: MiniBatch) -> None:
        """Send a mini-batch."""
        with suppress(OSError):  # it has ended
            self.channel.sendall(json.dumps(batch.to_message()).encode() + b"\n")

    def close_channel(self) -> None:
        """Say that there are no more mini-batches."""
        with suppress(OSError):  # it has ended
            self.channel.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """End it at once, and the processes that it has started."""
        if self.process.returncode is None:
            with suppress(OSError):  # it has ended, and is not reaped yet
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Close this end of its channel."""
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
