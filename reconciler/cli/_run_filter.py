"""Which runs `mlgit job list` shows, and how long they took."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from reconciler.abbreviation import format_elapsed
from reconciler.cli.options import CommandFunction
from reconciler.model import RunStatus
from reconciler.state.codec import RunSummary
from reconciler.timestamps import seconds_between, utc_timestamp

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
        type=click.Choice([str(status) for status in RunStatus], case_sensitive=False),
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
