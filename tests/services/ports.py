"""Ports of 127.0.0.1 for services of the tests."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
from contextlib import suppress

from workspaces import until

# Below those that Linux gives to outgoing connections, which could take a port between its choice and its use. The
# processes of the tests begin at different numbers.
_LOWEST, _COUNT = 10_000, 20_000
_numbers = itertools.count(os.getpid() * 997)


def free_port() -> int:
    """Return a port that nobody listens on, another at each call."""
    for number in itertools.islice(_numbers, _COUNT):
        port = _LOWEST + number % _COUNT
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port of this machine is free")


def free_ports(count: int) -> list[int]:
    """Return as many different ports that nobody listens on."""
    return [free_port() for _ in range(count)]


def until_answers(port: int, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Wait until a service that was just started takes connections."""

    def answers() -> bool:
        assert process.poll() is None, "the service ended at once"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
        return False

    until(answers, seconds)
