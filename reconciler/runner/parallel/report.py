"""What a person sees of a parallel step: lines of its log, metrics while it goes on, and why it has failed."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

FAILURE_FILE = "failure.json"
DEBUG, INFO, WARNING = 10, 20, 30
_LEVELS = {"DEBUG": DEBUG, "INFO": INFO, "WARNING": WARNING}
_SECONDS_BETWEEN_LINES = 2.0
_CALL_SECONDS = 5.0


class StepFailedError(Exception):
    """The step has failed; the message begins with the exception of the user's script, if there was one."""


class Progress(NamedTuple):
    """How many mini-batches there are, and how many of them have ended, in either way."""

    total: int
    done: int
    failed: int

    def describe(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.total} mini-batches done{failed}"


class Report:
    """Writes to the log what is of the level or above, and logs progress as metrics of the run."""

    def __init__(self, level: str) -> None:
        self._level = _LEVELS.get(level.upper(), INFO)
        self._next = 0.0
        self._logs_metrics = bool(os.environ.get("MLFLOW_TRACKING_URI") and os.environ.get("MLFLOW_RUN_ID"))
        self._last: Progress | None = None

    def write(self, level: int, text: str) -> None:
        """Write a line to the log."""
        if level >= self._level:
            sys.stderr.write(f"parallel: {text}\n")
            sys.stderr.flush()

    def show(self, progress: Progress, *, is_last: bool = False) -> None:
        """Show progress, not more often than every other second."""
        if progress == self._last or (time.monotonic() < self._next and not is_last):
            return
        self._last, self._next = progress, time.monotonic() + _SECONDS_BETWEEN_LINES
        self.write(INFO, progress.describe())
        self._log_metrics(progress)

    def _log_metrics(self, progress: Progress) -> None:
        """Log progress by the MLflow protocol; a server that does not answer is not asked again."""
        if not self._logs_metrics:
            return
        values = {"mini_batches": progress.total, "mini_batches_done": progress.done}
        values["mini_batches_failed"] = progress.failed
        now = int(time.time() * 1000)
        step = progress.done + progress.failed
        metrics = [{"key": key, "value": value, "timestamp": now, "step": step} for key, value in values.items()]
        body = json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], "metrics": metrics}).encode()
        address = os.environ["MLFLOW_TRACKING_URI"].rstrip("/") + "/api/2.0/mlflow/runs/log-batch"
        headers = {"Content-Type": "application/json"}
        if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(address, body, headers)  # noqa: S310 - the address of the runner's own server
        try:
            with urllib.request.urlopen(request, timeout=_CALL_SECONDS):  # noqa: S310 - the same
                pass
        except (OSError, ValueError) as error:
            self._logs_metrics = False
            self.write(WARNING, f"progress is not logged as metrics: {error}")


def write_failure(folder: str, message: str) -> None:
    """Leave the reason of a failure to the runner."""
    Path(folder, FAILURE_FILE).write_text(json.dumps({"message": message}), encoding="utf-8")
