"""Waits until all nodes of the Ray cluster of a job are there, and then becomes its command.

It is executed by the Python of the environment, as a driver of the cluster, and not imported.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

_SECONDS = 600.0  # for all nodes to start
_SECONDS_FOR_NODES = 30.0  # for a node that ends to say so
_POLL_SECONDS = 0.2


def main(head: str, nodes: str, ready_file: str, log: str, *command: str) -> None:
    """Wait, and execute the command; the other nodes start when there is the ``ready_file``."""
    sys.path[:] = [entry for entry in sys.path if entry]  # without the code of the job, which is the current folder
    reader, writer = os.pipe()
    if waiting := os.fork():
        os.close(writer)
        problem = _read_problem(reader, waiting, Path(log))
        if problem:
            sys.exit(f"the Ray cluster of the run did not start: {problem}")
        os.execve(command[0], command, os.environ)  # noqa: S606 - the command of the job
    with Path(log).open("ab") as file:
        os.dup2(file.fileno(), 1)  # what Ray has to say of the waiting is not of the job
        os.dup2(file.fileno(), 2)
    deadline = time.monotonic() + _SECONDS
    os.write(writer, _wait_for_nodes(head, int(nodes), Path(ready_file), deadline).encode())


def _read_problem(reader: int, waiting: int, log: Path) -> str:
    """Return what a process that waits has to tell; Ray ends it without a word if the head ends meanwhile."""
    with os.fdopen(reader, "rb") as pipe:
        problem = pipe.read().decode()
    _, status = os.waitpid(waiting, 0)
    if not status:
        return problem
    time.sleep(_SECONDS_FOR_NODES)  # the end of a node is the reason then, and ends this process
    last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    return last or "the process that waits for it was ended"


def _wait_for_nodes(head: str, wanted: int, ready_file: Path, deadline: float) -> str:
    """Return why not as many nodes as are wanted are there in time, "" if they are."""
    if not _wait_for_head(head, deadline):
        return f"nothing answers at {head} in {_SECONDS:g} s"
    ray = _connect(head, deadline)
    if isinstance(ray, str):
        return ray
    ready_file.touch()
    try:
        while (count := sum(bool(node["Alive"]) for node in ray.nodes())) < wanted:
            if time.monotonic() > deadline:
                return f"{count} of its {wanted} nodes are there after {_SECONDS:g} s"
            time.sleep(_POLL_SECONDS)
    finally:
        ray.shutdown()
    return ""


def _wait_for_head(head: str, deadline: float) -> bool:
    host, _, port = head.rpartition(":")
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError:
            time.sleep(_POLL_SECONDS)
        else:
            return True
    return False


def _connect(head: str, deadline: float) -> Any:
    """Return Ray, connected to the cluster, or why it could not be."""
    ray = importlib.import_module("ray")
    while True:
        try:
            ray.init(address=head, log_to_driver=False, logging_level="ERROR")
        except Exception as error:  # noqa: BLE001 - of whatever kind while the head starts
            ray.shutdown()
            if time.monotonic() > deadline:
                return f"{type(error).__name__}: {error}"
            time.sleep(_POLL_SECONDS)
        else:
            return ray


if __name__ == "__main__":
    main(*sys.argv[1:])
