"""The log and the metrics of a run, in its folder; a folder or a file that was removed is an error."""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from reconciler.backends import Backend
from reconciler.diagnostics import user_error
from reconciler.model import Json, Run, RunStatus
from reconciler.regular_files import open_regular_file, read_regular_file

_POLL_SECONDS = 0.2
_METRIC_FIELDS = {"key", "value", "step"}
_MAX_METRICS_BYTES = 50_000_000

Metric: TypeAlias = dict[str, Json]


def require_run_folder(run: Run, backend: Backend) -> None:
    """Raise UserError ``run-files-gone`` if the folder of a submitted run does not exist."""
    folder = backend.run_folder(run.id)
    if run.status is not RunStatus.INTENDED and not folder.is_dir():
        message = f"the folder of run {run.id}, {folder}, does not exist: it was removed, or is on another machine"
        raise user_error("run-files-gone", message, _what_remains(run))


def _require_file(run: Run, backend: Backend, path: Path, content: str) -> bool:
    """Return True if a file of a run exists, False if the run has not written it yet.

    Raises UserError ``run-files-gone`` if it was removed.
    """
    if path.exists():
        return True
    require_run_folder(run, backend)
    if run.started_at:
        raise user_error("run-files-gone", f"the {content} of run {run.id}, {path}, was removed", _what_remains(run))
    return False


def _what_remains(run: Run) -> str:
    """Return what can be done without the files of a run."""
    name = run.address.name
    return f"`mlgit job show {run.id}` shows what is recorded of it, `mlgit job rerun {name}` runs {run.address} again"


def print_log(run: Run, backend: Backend, *, follow: bool) -> int:
    """Print the log of a run, with ``follow`` until the run has ended; return its size.

    Raises UserError ``run-files-gone`` if it was removed, ``run-files-unreadable``.
    """
    position, log = 0, backend.log_path(run.id)
    is_active = follow
    while is_active:
        is_active = backend.poll([run.id])[run.id].status.is_active
        position = _copy_log(log, position) if log.exists() else position
        if is_active:
            time.sleep(_POLL_SECONDS)
    return _copy_log(log, position) if _require_file(run, backend, log, "log") else position


def _copy_log(log: Path, position: int) -> int:
    """Copy a log from a position on to standard output; return where it ends."""
    try:
        file = open_regular_file(log)
    except OSError as error:
        raise user_error("run-files-unreadable", f"{log} cannot be read: {error.strerror}") from error
    with file:
        file.seek(position)
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()
        return file.tell()


def read_metrics(run: Run, backend: Backend) -> tuple[list[Metric], int]:
    """Return the values that a run has logged, each once, and the number of lines that cannot be read.

    The values of runs that its script nested in it are left out. Raises UserError as `print_log`.
    """
    path = backend.metrics_path(run.id)
    if not _require_file(run, backend, path, "metrics"):
        return [], 0
    try:
        lines = read_regular_file(path, _MAX_METRICS_BYTES).decode("utf-8", "replace").splitlines()
    except OSError as error:
        raise user_error("run-files-unreadable", f"{path} cannot be read: {error.strerror}") from error
    metrics = [metric for line in lines if (metric := _parse_metric_line(line)) is not None]
    own = {json.dumps(metric, sort_keys=True): metric for metric in metrics if "run" not in metric}
    return list(own.values()), len(lines) - len(metrics)


def _parse_metric_line(line: str) -> Metric | None:
    """Return the metric of a line; None if the line was cut off by the end of the run."""
    try:
        metric: Json = json.loads(line)
        return metric if isinstance(metric, dict) and metric.keys() >= _METRIC_FIELDS and _sort_key(metric) else None
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


def _sort_key(metric: Metric) -> tuple[int, int, float]:
    """The metric with the largest key is the last value, as MLflow defines it."""
    value = float(metric["value"])
    return int(metric["step"]), int(metric.get("timestamp", 0)), -math.inf if math.isnan(value) else value


def summarize_metrics(metrics: Sequence[Metric]) -> list[tuple[str, str, str, str]]:
    """Return, for each key, its last value, the step of that, and the number of values, as text."""
    counts = Counter(metric["key"] for metric in metrics)
    last: dict[str, Metric] = {}
    for metric in metrics:
        key = metric["key"]
        if key not in last or _sort_key(metric) >= _sort_key(last[key]):
            last[key] = metric
    return [(key, str(metric["value"]), str(metric["step"]), str(counts[key])) for key, metric in last.items()]
