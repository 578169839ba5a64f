"""How a run ended: values, messages, and result.json for the backend (schemas/run-result.schema.json)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from signal import Signals
from typing import Any, TypedDict

from .cgroup import find_memory_limit, format_memory
from .files import write_json_atomically
from .spec import RunSpec

RESULT_FORMAT = 1
LOG_FILE = "user_logs/std_log.txt"
METRICS_FILE = "metrics.jsonl"
RESULT_FILE = "result.json"
LOST_FILE = "lost.json"  # why a run on several machines has no result
_RESERVE_FILE, _RESERVED_BYTES = ".reserve", 1 << 16

# What a shell's exit code says about the command, beyond its number.
_EXIT_CODE_HINTS = {
    126: "a program in the command cannot be executed",
    127: "a program in the command was not found",
}
_KILLED = 137


class FinalStatus(StrEnum):
    """The status of a run that has ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


FailureDocument = TypedDict(
    "FailureDocument", {"class": str, "message": str, "exit_code": int | None, "signal": str | None}
)


class OutputSizeDocument(TypedDict):
    """The size of one output in result.json."""

    files: int
    size: int


class ResultDocument(TypedDict):
    """The content of result.json; ``status`` is a `FinalStatus`, times are ISO 8601 in UTC."""

    format: int
    token: str
    run: str
    status: str
    failure: FailureDocument | None
    started: str
    ended: str
    exit_code: int | None
    metrics: dict[str, float | str]
    metrics_file: str
    params: dict[str, str]
    tags: dict[str, str]
    outputs: dict[str, OutputSizeDocument]
    log: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed; ``kind`` is who can fix it: user, timeout, staging or engine."""

    kind: str
    message: str
    exit_code: int | None = None
    signal: str | None = None

    def to_json(self) -> FailureDocument:
        return {
            "class": self.kind,
            "message": self.message,
            "exit_code": self.exit_code,
            "signal": self.signal,
        }


def parse_failure(document: Any) -> Failure | None:
    """Return the failure that a document of JSON describes; None if it describes none."""
    if not isinstance(document, dict):
        return None
    return Failure(str(document["class"]), str(document["message"]), document["exit_code"], document["signal"])


class RunFailedError(Exception):
    """The run failed before its command was started."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class RunCanceledError(Exception):
    """The run was canceled before its command was started."""


class RunLostError(Exception):
    """A machine of the run was lost: the run has no result, and its text says why."""


def staging_error(message: str) -> RunFailedError:
    """Return the error of a run whose files could not be staged, ready to raise."""
    return RunFailedError(Failure("staging", message))


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """How the command ended; ``exit_code`` is None if a signal ended it or it was never started."""

    status: FinalStatus
    failure: Failure | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class TrackedValues:
    """What the run logged: the last value of each metric, the parameters, and the user's tags.

    ``models`` are the logged models of MLflow 3 by name, each with its folder below that of the logged files.
    """

    metrics: Mapping[str, float | str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutputSize:
    """The number of files of an output, and their size in bytes."""

    files: int
    size: int

    def to_json(self) -> OutputSizeDocument:
        return {"files": self.files, "size": self.size}


def utc_timestamp() -> str:
    """Return the current time in UTC: ISO 8601, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def signal_name(number: int) -> str:
    """Return how a signal is called: SIGKILL, or "signal 35" for one of those that have no name."""
    return Signals(number).name if number in {*Signals} else f"signal {number}"


def command_failure(return_code: int, log: Path, label: str = "") -> Failure:
    """Return the failure of a command; what it wrote is in its log only, which may have secrets in it.

    The ``label`` is that of the process that failed, if the command ran in several.
    """
    name = signal_name(-return_code) if return_code < 0 else None
    subject = f"{label} of the command" if label else "the command"
    reason = f"{subject} was ended by {name}" if name else f"{subject} ended with exit code {return_code}"
    exit_code = 128 - return_code if name else return_code
    hint = _describe_kill() if exit_code == _KILLED else _EXIT_CODE_HINTS.get(exit_code)
    message = reason + (f": {hint}" if hint else "") + ("; the other processes were stopped" if label else "")
    message += "" if _has_text(log) else "; its log is empty"
    return Failure("user", message, None if name else return_code, name)


def _describe_kill() -> str:
    limit = find_memory_limit()
    who = (
        f"its container ran out of memory: it may use {format_memory(limit)}"
        if limit
        else "the machine ran out of memory"
    )
    return f"it was killed, often because {who}"


def _has_text(log: Path) -> bool:
    return log.exists() and log.stat().st_size > 0


def reserve_result(folder: Path) -> None:
    """Reserve the space for result.json: a run that fills the disk has an end, too."""
    with suppress(OSError), (folder / _RESERVE_FILE).open("wb") as file:
        file.write(bytes(_RESERVED_BYTES))


def write_result(folder: Path, document: ResultDocument) -> None:
    """Write result.json; on a full disk, in the space that was reserved for it."""
    try:
        write_json_atomically(folder / RESULT_FILE, document)
    except OSError:
        (folder / _RESERVE_FILE).unlink(missing_ok=True)
        write_json_atomically(folder / RESULT_FILE, document)
    (folder / _RESERVE_FILE).unlink(missing_ok=True)


def make_result_document(
    spec: RunSpec,
    outcome: CommandOutcome,
    started: str,
    tracked: TrackedValues,
    outputs: Mapping[str, OutputSize],
) -> ResultDocument:
    """Return the content of result.json; the run ends now."""
    return {
        "format": RESULT_FORMAT,
        "token": spec.token,
        "run": spec.run,
        "status": outcome.status,
        "failure": outcome.failure.to_json() if outcome.failure else None,
        "started": started,
        "ended": utc_timestamp(),
        "exit_code": outcome.exit_code,
        "metrics": dict(tracked.metrics),
        "metrics_file": METRICS_FILE,
        "params": dict(tracked.params),
        "tags": dict(tracked.tags),
        "outputs": {name: size.to_json() for name, size in outputs.items()},
        "log": LOG_FILE,
    }
