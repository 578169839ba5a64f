"""How a run went: the value, the plain words for it, and the one record that the backend reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from signal import Signals
from typing import Any

from .spec import RunSpec

LOG_FILE = "user_logs/std_log.txt"
METRICS_FILE = "metrics.jsonl"
RESULT_FILE = "result.json"

_LOG_TAIL_LINES = 5
_LOG_TAIL_CHARACTERS = 500
# What a shell's exit code says about the command, beyond its number.
_EXIT_CODE_HINTS = {
    126: "a program that the command names cannot be executed",
    127: "a program that the command names was not found",
    137: "it was killed, often because the memory ran out",
}


class FinalStatus(StrEnum):
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed. The class says who can mend it: user, timeout, staging or engine."""

    kind: str
    message: str
    exit_code: int | None = None
    signal: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "class": self.kind,
            "message": self.message,
            "exit_code": self.exit_code,
            "signal": self.signal,
        }


class RunFailedError(Exception):
    """Ends a run before, or instead of, its command."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class RunCanceledError(Exception):
    """Somebody asked the runner to stop before the command was started."""


def staging_error(message: str) -> RunFailedError:
    """Make the failure of a run whose files could not be laid out, ready to raise."""
    return RunFailedError(Failure("staging", message))


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """What became of the command; ``exit_code`` is None where a signal ended it or it never began."""

    status: FinalStatus
    failure: Failure | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class TrackedValues:
    """What the run logged about itself: the last value of each metric, its parameters and the user's tags."""

    metrics: Mapping[str, float | str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutputSize:
    files: int
    size: int


def utc_timestamp() -> str:
    """Tell the time as the records write it: UTC, ISO 8601, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def command_failure(return_code: int, log: Path) -> Failure:
    """Say how the command failed, with the end of what it printed."""
    name = Signals(-return_code).name if return_code < 0 else None
    reason = f"the command was ended by {name}" if name else f"the command ended with exit code {return_code}"
    hint = _EXIT_CODE_HINTS.get(128 - return_code if name else return_code)
    ending = read_log_tail(log)
    message = (
        reason + (f": {hint}" if hint else "") + (f"; its last lines:\n{ending}" if ending else "; it printed nothing")
    )
    return Failure("user", message, None if name else return_code, name)


def read_log_tail(log: Path) -> str:
    """Read the end of a log: at most five lines and 500 characters."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4 * _LOG_TAIL_CHARACTERS))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-_LOG_TAIL_LINES:])[-_LOG_TAIL_CHARACTERS:]


def make_result_document(
    spec: RunSpec,
    outcome: CommandOutcome,
    started: str,
    tracked: TrackedValues,
    outputs: Mapping[str, OutputSize],
) -> dict[str, Any]:
    """Make the document of result.json."""
    return {
        "format": 1,
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
        "outputs": {name: asdict(output_size) for name, output_size in outputs.items()},
        "log": LOG_FILE,
    }
