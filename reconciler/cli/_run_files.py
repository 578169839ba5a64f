"""The log and the metrics of a run, as its backend returns them; what was removed is an error."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from reconciler.diagnostics import UserError, user_error
from reconciler.model import Run
from reconciler.model.backend import Backend
from reconciler.model.logged_metrics import Metric, metric_order, parse_metrics
from reconciler.model.providers import Handle


def require_handle(run: Run) -> Handle:
    """Return the handle of a run; raise UserError ``run-not-submitted`` if it was never submitted."""
    if run.handle is None:
        message = f"run {run.id} is {run.status.label}: it was not submitted yet, so it has no files"
        hint = (
            f"`mlgit job show {run.parent}` says what it waits for"
            if run.parent
            else "run `mlgit apply`, which submits it"
        )
        raise user_error("run-not-submitted", message, hint)
    return run.handle


def again_command(run: Run) -> str:
    """Return the command that runs the job of a run again; an experiment may have a file that is not committed."""
    return "`mlgit run` with its file" if run.experiment else f"`mlgit job rerun {run.job_name}`"


@contextmanager
def explain_gone_files(run: Run) -> Iterator[None]:
    """Add what can be done without the files of a run to the error that they are gone."""
    try:
        yield
    except UserError as error:
        (diagnostic,) = error.diagnostics
        if diagnostic.code != "run-files-gone":
            raise
        hint = f"`mlgit job show {run.id}` shows what is recorded of it, {again_command(run)} runs {run.address} again"
        raise UserError(diagnostic._replace(hint=hint)) from error


def print_log(run: Run, backend: Backend, *, follow: bool) -> int:
    """Print the log of a run, with ``follow`` until the run has ended; return its size.

    Raises UserError ``run-files-gone`` if it was removed, ``run-files-unreadable``.
    """
    size = 0
    with explain_gone_files(run):
        for chunk in backend.log(require_handle(run), follow=follow):
            sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
            size += len(chunk)
    return size


def read_metrics(run: Run, backend: Backend) -> tuple[list[Metric], int]:
    """Return the values that a run has logged, each once, and the number of lines that cannot be read.

    The values of runs that its script nested in it are left out. Raises UserError as `print_log`.
    """
    with explain_gone_files(run):
        return parse_metrics(backend.metrics(require_handle(run)))


def group_values(metrics: Sequence[Metric]) -> dict[str, list[tuple[int, float]]]:
    """Return, for each key, its steps and values, in the order of steps, then of time."""
    values: dict[str, list[tuple[int, float]]] = {metric["key"]: [] for metric in metrics}
    for metric in sorted(metrics, key=lambda metric: (int(metric["step"]), int(metric.get("timestamp", 0)))):
        values[metric["key"]].append((int(metric["step"]), float(metric["value"])))
    return values


def summarize_metrics(metrics: Sequence[Metric]) -> list[tuple[str, str, str, str]]:
    """Return, for each key, its last value, the step of that, and the number of values, as text."""
    counts = Counter(metric["key"] for metric in metrics)
    last: dict[str, Metric] = {}
    for metric in metrics:
        key = metric["key"]
        if key not in last or metric_order(metric) >= metric_order(last[key]):
            last[key] = metric
    return [(key, str(metric["value"]), str(metric["step"]), str(counts[key])) for key, metric in last.items()]
