"""The runner outside of a container: it starts the container of a run, waits for its end and removes it.

It holds the slots of the run meanwhile. If it is killed, the container goes on, and the next process that asks for the
run removes the container once it has ended.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .cgroup import format_memory
from .files import parse_json, read_json_object, write_json_atomically
from .result import (
    LOG_FILE,
    METRICS_FILE,
    RESULT_FILE,
    CommandOutcome,
    Failure,
    FinalStatus,
    TrackedValues,
    make_result_document,
    utc_timestamp,
    write_result,
)
from .spec import Container, RunSpec

CONTAINER_END_FILE, REMOVED = "container-end.json", "removed"
"""The file about the end of a container, and the key that says that the container was removed."""
_API = "/v1.40"
_CHUNK_SIZE = 1 << 16
_RETRY_SECONDS, _PATIENCE_SECONDS = 1.0, 600.0  # while an engine restarts
_DEVICES_VARIABLE = "CUDA_VISIBLE_DEVICES"
_STARTED, _STARTED_BEFORE, _ABSENT = 204, 304, 404


class Answer(NamedTuple):
    """What the engine answers: the status of HTTP, and the document."""

    status: int
    document: Any

    @property
    def message(self) -> str:
        """What the engine says of an error."""
        return str(self.document.get("message", "")) if isinstance(self.document, dict) else ""


def supervise_container(spec: RunSpec, container: Container) -> int:
    """Start the container of a run and wait for its end; return 0, or 1 if it could not be started.

    An engine that does not answer is waited for, as it may be restarted: for minutes.
    """
    _show_devices(container.spec_file)
    started = utc_timestamp()
    try:
        answer = _ask_patiently(container.socket, "POST", f"/containers/{container.name}/start")
        if answer.status not in (_STARTED, _STARTED_BEFORE):
            _write_failure(spec, started, f"the container was not started: {answer.message or answer.status}")
        else:
            _wait_for_end(container)
        _note_end(spec.folder, container)
        _ask_patiently(container.socket, "DELETE", f"/containers/{container.name}?v=1&force=1")
        note_removal(spec.folder)
    except OSError as error:
        sys.stderr.write(f"the Docker engine at {container.socket} has not answered for minutes: {error}\n")
        return 1
    return 0 if answer.status in (_STARTED, _STARTED_BEFORE) else 1


def note_removal(folder: Path) -> None:
    """Note that the container of a run was removed: nothing is left of it on the engine."""
    document = read_json_object(folder / CONTAINER_END_FILE) or {}
    with suppress(OSError):  # of a run whose folder was removed
        write_json_atomically(folder / CONTAINER_END_FILE, {**document, REMOVED: True})


def describe_end(container: dict[str, Any]) -> str:
    """Return how a container without a result has ended, by what the engine tells of it."""
    state = container.get("State") or {}
    if state.get("OOMKilled"):
        limit = (container.get("HostConfig") or {}).get("Memory")
        return "its container ran out of memory" + (f": it may use {format_memory(limit)}" if limit else "")
    return f"its container ended with exit code {state.get('ExitCode')} and without a result"


def _note_end(folder: Path, container: Container) -> None:
    """Write how a container without a result has ended: once it is removed, the engine does not tell any more."""
    if not (folder / RESULT_FILE).exists():
        answer = _ask_patiently(container.socket, "GET", f"/containers/{container.name}/json")
        document = answer.document if answer.status != _ABSENT else {}
        with suppress(OSError):
            write_json_atomically(folder / CONTAINER_END_FILE, {"message": describe_end(document)})


def _show_devices(spec_file: Path) -> None:
    """Let the command see the devices that the run has got, and no others."""
    document = read_json_object(spec_file)
    if document is not None and _DEVICES_VARIABLE in os.environ:
        document["environment"]["variables"][_DEVICES_VARIABLE] = os.environ[_DEVICES_VARIABLE]
        write_json_atomically(spec_file, document)


def _wait_for_end(container: Container) -> None:
    """Wait until a container has ended; raises OSError if its engine does not answer for minutes."""
    while True:
        answer = _ask_patiently(container.socket, "POST", f"/containers/{container.name}/wait")
        if answer.status == _ABSENT or (answer.document or {}).get("StatusCode") is not None:
            return
        time.sleep(_RETRY_SECONDS)


def _ask_patiently(address: Path, method: str, path: str) -> Answer:
    """Return as `_ask`; raises OSError only once the engine has not answered for minutes."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return _ask(address, method, path)
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_RETRY_SECONDS)


def _write_failure(spec: RunSpec, started: str, message: str) -> None:
    """Write the files of a run that has ended before it started."""
    (spec.folder / LOG_FILE).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (LOG_FILE, METRICS_FILE):
        (spec.folder / name).touch()
    outcome = CommandOutcome(FinalStatus.FAILED, Failure("engine", message))
    write_result(spec.folder, make_result_document(spec, outcome, started, TrackedValues(), {}))


def _ask(address: Path, method: str, path: str) -> Answer:
    """Send one request to an engine and return its answer; raises OSError if it does not answer.

    With HTTP 1.0 an answer ends with its connection: no module for HTTP is needed, which is slow to load.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(address))
        connection.sendall(f"{method} {_API}{path} HTTP/1.0\r\nHost: docker\r\nContent-Length: 0\r\n\r\n".encode())
        raw = b""
        while chunk := connection.recv(_CHUNK_SIZE):
            raw += chunk
    head, _, body = raw.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    if len(words) < 2 or not words[1].isdigit():  # noqa: PLR2004 - protocol and status
        raise ConnectionError("the engine has not answered")
    try:
        return Answer(int(words[1]), parse_json(body) if body.strip() else None)
    except ValueError:
        return Answer(int(words[1]), None)
