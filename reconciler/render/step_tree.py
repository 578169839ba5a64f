"""Render the steps of a pipeline or a sweep as the lines of a tree, and what happened to them as plain lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from reconciler.abbreviation import join_some, pluralize
from reconciler.model import RunStatus, StepRun
from reconciler.render.sanitize import sanitize_line
from reconciler.render.step_descriptions import StepDescriptions, StepView, TreeRow
from reconciler.render.step_states import STATES, count_states, step_state

_MAX_NAME_WIDTH = 40  # columns; a longer name moves what is behind it
_MAX_EVENTS = 20  # of one state at once; more are counted
_COLUMN_GAP = "  "


class TreeLine(NamedTuple):
    """A line of the tree as it is printed, and the state that it shows, "" for none."""

    state: str
    text: str


def tree_lines(view: StepView, limit: int | None = None) -> list[TreeLine]:
    """Return the lines of the tree in columns; at most ``limit``, the last of which counts those that are not shown.

    Steps that failed or run are shown first, those that were reused or wait last.
    """
    rows = tree_rows(view, limit)
    names = [f"{_COLUMN_GAP * row.depth}{sanitize_line(row.path)}" for row in rows]
    columns = (names, [row.state for row in rows], [row.time for row in rows])
    widths = [max((len(cell) for cell in column if len(cell) <= _MAX_NAME_WIDTH), default=0) for column in columns]
    lines = []
    for name, row in zip(names, rows, strict=True):
        cells = [cell.ljust(width) for cell, width in zip((name, row.state, row.time), widths, strict=True) if width]
        lines.append(TreeLine(row.state, view.format_line(_COLUMN_GAP.join((*cells, row.details)).rstrip())))
    shown = {row.path for row in rows}
    if hidden := [step for step in view.steps if step.step not in shown]:
        lines.append(TreeLine("", f"and {len(hidden)} more: {count_states(map(step_state, hidden))}"))
    return lines


def tree_rows(view: StepView, limit: int | None = None) -> list[TreeRow]:
    """Return the rows of the tree; at most ``limit`` - 1 if not all fit."""
    descriptions = StepDescriptions.of_view(view)
    paths = descriptions.paths
    if limit is not None and len(paths) > limit:
        shown = _most_important(descriptions.by_path, paths, max(1, limit - 1))
        paths = [path for path in paths if path in shown]
    return [descriptions.row(path) for path in paths]


def step_event_lines(view: StepView, before: Mapping[str, StepRun]) -> list[str]:
    """Return a line for each step whose state has changed; many that got the same state at once are counted."""
    changed = changed_steps(view.steps, before)
    times = _event_times(view)
    changed.sort(key=lambda step: (times[step.step], not step.is_trial))
    by_state: dict[str, list[str]] = {}
    for step in changed:
        by_state.setdefault(step_state(step), []).append(step.step)
    descriptions = StepDescriptions.of_view(view)
    lines: list[str] = []
    for step in changed:
        state, same = step_state(step), by_state[step_state(step)]
        if len(same) <= _MAX_EVENTS or state == RunStatus.FAILED:
            lines.append(f"{step.step}: {descriptions.event(step)}")
        elif step.step == same[0]:
            lines.append(f"{pluralize(len(same), 'step')}: {state} ({join_some(same)})")
    return [view.format_line(line) for line in lines]


def changed_steps(steps: Iterable[StepRun], before: Mapping[str, StepRun]) -> list[StepRun]:
    """Return the steps whose state is not what it was ``before``, by path."""
    return [step for step in steps if _has_news(step, before.get(step.step))]


def _event_times(view: StepView) -> dict[str, str]:
    """Return when each step ended, for the order of lines; one that was reused, when those ended that it reads from."""
    times: dict[str, str] = {}
    for step in view.steps:
        needed = max((times.get(name, "") for name in step.needs), default="")
        times[step.step] = needed if step.reused_from else step.ended_at or view.now
    return times


def _has_news(step: StepRun, before: StepRun | None) -> bool:
    """Return True if the state of a step is worth a line: not what is only about to be submitted."""
    if step.status is RunStatus.INTENDED or (before is None and step.status is RunStatus.NOT_STARTED):
        return False
    return before is None or (step.status, step.attempt) != (before.status, before.attempt)


def _most_important(by_path: Mapping[str, StepRun], paths: Sequence[str], limit: int) -> set[str]:
    """Return at most as many paths as fit, with those above them: what failed or runs first, what waits last."""
    ranked = sorted((path for path in paths if path in by_path), key=lambda path: _rank(by_path[path]))
    shown: set[str] = set()
    for path in ranked:
        names = path.split(".")
        needed = {".".join(names[: depth + 1]) for depth in range(len(names))}
        if len(shown | needed) <= limit:
            shown |= needed
        if len(shown) == limit:
            break
    return shown


def _rank(step: StepRun) -> int:
    if step.is_best:
        return 0
    return STATES.index(step_state(step))
