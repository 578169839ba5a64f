"""Which runs `mlgit job list` shows, and their table: by experiment, with how long they took and their metric."""

from __future__ import annotations

import heapq
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from operator import attrgetter
from typing import Any

import click

from reconciler.abbreviation import format_elapsed
from reconciler.cli.options import CommandFunction
from reconciler.model import RunStatus
from reconciler.state.codec import RunSummary
from reconciler.timestamps import seconds_between, utc_timestamp

RUN_HEADINGS = ("RUN", "STATUS", "SUBMITTED", "DURATION", "BEST METRIC", "MESSAGE")
_NO_CELLS = ("",) * (len(RUN_HEADINGS) - 1)
_NO_EXPERIMENT = "(no experiment)"
_COLUMN_GAP, _EXPERIMENT_WIDTH, _METRIC_WIDTH, _MIN_MESSAGE_WIDTH = 2, 40, 20, 16  # columns
_BY_EXPERIMENT = attrgetter("experiment_name", "submitted_at")
_STARTED_STATUSES = frozenset({RunStatus.RUNNING})


@dataclass(frozen=True, slots=True)
class RunFilter:
    """What a run must have to be listed; of all that have it, the newest ``max_results``, if given."""

    statuses: frozenset[str]
    experiment: str
    tags: Mapping[str, str | None]
    max_results: int | None

    def find_positions(self, runs: Sequence[RunSummary]) -> list[int]:
        """Return the positions of the runs to list, in their order."""
        positions = [position for position, run in enumerate(runs) if self._matches(run)]
        if not self.max_results or len(positions) <= self.max_results:
            return positions
        newest = heapq.nlargest(
            self.max_results, positions, key=lambda position: (runs[position].submitted_at, position)
        )
        return sorted(newest)

    def _matches(self, run: RunSummary) -> bool:
        return (
            (not self.statuses or run.status in self.statuses)
            and (not self.experiment or run.experiment_name == self.experiment)
            and all(key in run.tags and value in (None, run.tags[key]) for key, value in self.tags.items())
        )


def filter_options(function: CommandFunction) -> CommandFunction:
    """Add the options of a filter of runs, which is passed as ``run_filter``."""

    @wraps(function)
    def with_filter(
        *arguments: Any,
        statuses: tuple[str, ...],
        experiment: str,
        tags: tuple[str, ...],
        max_results: int | None,
        **options: Any,
    ) -> Any:
        pairs = (tag.partition("=") for tag in tags)
        values = {key: value if has_value else None for key, has_value, value in pairs}
        run_filter = RunFilter(frozenset(statuses), experiment, values, max_results)
        return function(*arguments, run_filter=run_filter, **options)

    decorated: CommandFunction = with_filter
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


_OPTIONS: tuple[Callable[[CommandFunction], CommandFunction], ...] = (
    click.option(
        "--status",
        "statuses",
        multiple=True,
        type=click.Choice(
            [str(status) for status in RunStatus if status is not RunStatus.NOT_STARTED], case_sensitive=False
        ),
        help="Only runs with this status; may be repeated.",
    ),
    click.option("--experiment", metavar="NAME", default="", help="Only runs of this experiment_name."),
    click.option(
        "--tag",
        "tags",
        metavar="KEY[=VALUE]",
        multiple=True,
        help="Only runs whose job had this tag when they were submitted; may be repeated.",
    ),
    click.option(
        "--max-results",
        "-r",
        metavar="N",
        type=click.IntRange(min=1),
        help="Only the newest N of them.",
    ),
)


def format_run_duration(run: RunSummary) -> str:
    """Return how long a run took, or has run so far; "" if that is not known or it has not started."""
    seconds = run.seconds
    if seconds is None and run.status in _STARTED_STATUSES:
        seconds = seconds_between(run.started_at or run.submitted_at, utc_timestamp("milliseconds"))
    return "" if seconds is None else format_elapsed(seconds)


def run_table(runs: Sequence[RunSummary]) -> list[tuple[str, ...]]:
    """Return the rows of runs, those of one experiment below its name, oldest first.

    On a terminal, long messages are cut off.
    """
    rows: list[tuple[str, ...]] = []
    experiment = None
    for run in sorted(runs, key=_BY_EXPERIMENT):
        if run.experiment_name != experiment:
            experiment = run.experiment_name
            rows.append((_cut(experiment, _EXPERIMENT_WIDTH) or _NO_EXPERIMENT, *_NO_CELLS))
        submitted = f"{run.submitted_at.partition('.')[0].removesuffix('Z')}Z"
        rows.append((f"  {run.id}", run.status, submitted, format_run_duration(run), _metric(run), _message(run)))
    return _fit_messages(rows) if sys.stdout.isatty() else rows


def _fit_messages(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return rows that are as wide as the terminal, if it has room for some words of a message."""
    widths = [max(map(len, column)) + _COLUMN_GAP for column in zip(RUN_HEADINGS, *rows, strict=True)]
    room = max(shutil.get_terminal_size().columns - sum(widths[:-1]), _MIN_MESSAGE_WIDTH)
    return [row if len(row[-1]) <= room else (*row[:-1], _cut(row[-1], room)) for row in rows]


def _metric(run: RunSummary) -> str:
    """Return the metric of a run with its value, of a long name the beginning."""
    if not run.metric:
        return ""
    value = f"{run.metric_value:.4g}" if isinstance(run.metric_value, int | float) else run.metric_value
    return f"{_cut(run.metric, _METRIC_WIDTH - len(value) - 1)} {value}"


def _message(run: RunSummary) -> str:
    return f"attempt {run.attempt}{': ' if run.message else ''}{run.message}" if run.attempt > 1 else run.message


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."
