"""The runner outside of a container: it starts the container of a run, waits for its end and removes it.

It holds the slots of the run meanwhile. If it is killed, the container goes on, and whoever asks for the run next
removes the container once it has ended.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

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

CONTAINER_END_FILE = "container-end.json"
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
    """Start the container of a run and wait for its end; return 0, or 1 if it could not be started."""
    _show_devices(container.spec_file)
    started = utc_timestamp()
    answer = _ask(container.socket, "POST", f"/containers/{container.name}/start")
    if answer.status not in (_STARTED, _STARTED_BEFORE):
        _write_failure(spec, started, f"the container was not started: {answer.message or answer.status}")
    elif not _wait_for_end(container):
        return 1
    _note_end(spec.folder, container)
    _ask(container.socket, "DELETE", f"/containers/{container.name}?v=1&force=1")
    return 0 if answer.status in (_STARTED, _STARTED_BEFORE) else 1


def describe_end(state: dict[str, Any]) -> str:
    """Return how a container without a result has ended, by the state that the engine tells."""
    if state.get("OOMKilled"):
        return "its container ran out of memory"
    return f"its container ended with exit code {state.get('ExitCode')} and without a result"


def _note_end(folder: Path, container: Container) -> None:
    """Write how a container without a result has ended: once it is removed, the engine does not tell any more."""
    if not (folder / RESULT_FILE).exists():
        answer = _ask(container.socket, "GET", f"/containers/{container.name}/json")
        state = answer.document.get("State", {}) if answer.status != _ABSENT else {}
        with suppress(OSError):
            write_json_atomically(folder / CONTAINER_END_FILE, {"message": describe_end(state)})


def _show_devices(spec_file: Path) -> None:
    """Let the command see the devices that the run has got, and no others."""
    document = read_json_object(spec_file)
    if document is not None and _DEVICES_VARIABLE in os.environ:
        document["environment"]["variables"][_DEVICES_VARIABLE] = os.environ[_DEVICES_VARIABLE]
        write_json_atomically(spec_file, document)


def _wait_for_end(container: Container) -> bool:
    """Wait until a container has ended; return False if its engine has not answered for minutes."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            answer = _ask(container.socket, "POST", f"/containers/{container.name}/wait")
        except OSError:
            answer = Answer(0, None)
        if answer.status == _ABSENT or (answer.document or {}).get("StatusCode") is not None:
            return True
        time.sleep(_RETRY_SECONDS)
    return False


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
