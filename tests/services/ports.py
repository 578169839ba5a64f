"""Ports of 127.0.0.1 for services of the tests."""

from __future__ import annotations

import socket
import subprocess
from contextlib import ExitStack, suppress

from workspaces import until


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def free_ports(count: int) -> list[int]:
    """Return as many different ports that nobody listens on."""
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


def until_answers(port: int, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Wait until a service that was just started takes connections."""

    def answers() -> bool:
        assert process.poll() is None, "the service ended at once"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
        return False

    until(answers, seconds)
