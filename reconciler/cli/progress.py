"""Live progress on a terminal: one line for each running action or run, with its duration and last message."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.text import Text

from reconciler.abbreviation import format_elapsed
from reconciler.model import Action, Run, RunStatus
from reconciler.model.transfers import ReadTransfer
from reconciler.render.sanitize import sanitize_line
from reconciler.render.step_descriptions import StepView
from reconciler.render.step_states import REUSED, summarize_steps
from reconciler.render.step_tree import TreeLine, tree_lines
from reconciler.timestamps import parse_timestamp, utc_timestamp

_MAX_LINES = 10
_MIN_TREE_LINES = 2
_STATE_MARKS = {
    str(RunStatus.COMPLETED): ("✓", "green"),
    REUSED: ("=", "blue"),
    str(RunStatus.FAILED): ("✗", "red"),
    str(RunStatus.LOST): ("✗", "red"),
    str(RunStatus.CANCELED): ("-", "yellow"),
    str(RunStatus.RUNNING): ("…", ""),
    str(RunStatus.QUEUED): ("…", "dim"),
    RunStatus.NOT_STARTED.label: ("…", "dim"),
}
_MARK_WIDTH = 2  # columns, with the space behind it
_BAR_WIDTH = 30
_RESERVED_COLUMNS = 3  # a terminal echoes ^C behind the last line, and a line that wraps is not erased


@dataclass(frozen=True, slots=True)
class _ActivityLine:
    """One running action or run; with ``read_transfer`` its message is how far a transfer of it is."""

    title: str
    message: str
    started_at: float  # seconds since the epoch
    read_transfer: ReadTransfer | None = None


@dataclass(slots=True)
class ProgressDisplay:
    """The lines below the finished actions, redrawn between ``start`` and ``stop``."""

    console: Console
    _action_lines: dict[str, _ActivityLine] = field(default_factory=dict)
    _run_lines: dict[str, _ActivityLine] = field(default_factory=dict)
    _trees: list[StepView] = field(default_factory=list)
    _spinner: Spinner = field(default_factory=lambda: Spinner("dots"))
    _display: Live = field(init=False)

    def __post_init__(self) -> None:
        self._display = Live(console=self.console, get_renderable=self._render, transient=True, refresh_per_second=8)

    def start(self) -> None:
        self._display.start()

    def stop(self) -> None:
        """Erase the lines."""
        self._display.stop()

    def show_action(self, key: str, title: str, message: str = "", read_transfer: ReadTransfer | None = None) -> None:
        """Show an action, or its new message, or how far a transfer of it is."""
        line = self._action_lines.get(key)
        started_at = line.started_at if line else time.time()
        self._action_lines[key] = _ActivityLine(title, message, started_at, read_transfer)

    def remove_action(self, action: Action) -> None:
        """Stop showing an action, and the run that it records."""
        self._action_lines.pop(str(action.key), None)
        self._run_lines.pop(action.version, None)
        self._trees = [view for view in self._trees if view.run.id != action.version]

    def show_runs(self, views: Iterable[StepView], read_last_log_line: Callable[[Run], str]) -> None:
        """Show these runs and no others, each with the last line of its log, or with its steps below it."""
        views = tuple(views)
        self._trees = [view for view in views if view.steps]
        self._run_lines = {
            view.run.id: _ActivityLine(
                str(view.run.address), _run_message(view, read_last_log_line), _run_start_time(view.run)
            )
            for view in views
        }

    def _render(self) -> RenderableType:
        """Return one line for each action and run, or for as many as fit, and below them the steps of the runs."""
        activities = [*self._action_lines.values(), *self._run_lines.values()]
        room = max(1, min(_MAX_LINES, self.console.height - 2))
        visible = activities if len(activities) <= room else activities[: room - 1]
        spinner = self._spinner.render(self.console.get_time())
        sign = spinner if isinstance(spinner, Text) else Text()
        lines = [Text.assemble("  ", sign, " ", _format_activity_line(self.console, activity)) for activity in visible]
        if activities[len(visible) :]:
            lines.append(Text(f"    and {len(activities) - len(visible)} more"))
        trees = self._trees
        for position, view in enumerate(trees):
            room = (self.console.height - 2 - len(lines)) // (len(trees) - position)
            lines += [Text("    ") + line for line in format_tree(view, room, sign)]
        for line in lines:
            line.truncate(max(1, self.console.width - _RESERVED_COLUMNS), overflow="ellipsis")
        return Group(*lines)


def format_tree(view: StepView, limit: int, running: Text | None = None) -> list[Text]:
    """Return the steps of a run as they are now, each behind a mark of its state; of many as many as fit."""
    if limit < _MIN_TREE_LINES:
        return []
    lines = tree_lines(replace(view, now=utc_timestamp("milliseconds")), limit)
    return [_format_tree_line(line, running) for line in lines]


def wrap_line(console: Console, line: Text, indent: int) -> list[Text]:
    """Return a line with an indent, in as many lines as the terminal needs; the others begin behind its mark."""
    mark = indent + len(line.plain) - len(line.plain.lstrip())
    text = line[mark - indent :]
    room = console.width - mark
    parts = [text] if text.cell_len <= room else text.wrap(console, max(1, room - _MARK_WIDTH))
    return [Text(" " * (mark if number == 0 else mark + _MARK_WIDTH)) + part for number, part in enumerate(parts)]


def _format_tree_line(line: TreeLine, running: Text | None) -> Text:
    text = line.text.lstrip()
    return Text.assemble(" " * (len(line.text) - len(text)), _state_mark(line.state, running), " ", text)


def _state_mark(state: str, running: Text | None) -> Text:
    if state == RunStatus.RUNNING and running is not None:
        return running
    sign, style = _STATE_MARKS.get(state, (" ", ""))
    return Text(sign, style)


def _run_message(view: StepView, read_last_log_line: Callable[[Run], str]) -> str:
    if view.steps:
        return summarize_steps(view.steps)
    return read_last_log_line(view.run) or format_run_status(view.run)


def _format_activity_line(console: Console, line: _ActivityLine) -> Text:
    title = f"{line.title} ({format_elapsed(int(time.time() - line.started_at))})"
    transfer = line.read_transfer() if line.read_transfer else None
    if transfer and transfer.progress.size:
        bar = ProgressBar(transfer.progress.size, transfer.progress.done, _BAR_WIDTH)
        parts = ((segment.text, segment.style or "") for segment in console.render(bar))
        return Text.assemble(sanitize_line(title), " ", *parts, " ", sanitize_line(str(transfer)))
    message = str(transfer or line.message)
    return Text(sanitize_line(f"{title}: {message}" if message else title))


def format_run_status(run: Run) -> str:
    """Return how a run is; of one that is queued also what it waits for, as far as its backend says."""
    reason = f": {run.message}" if run.status is RunStatus.QUEUED and run.message else ""
    return f"run {run.id} is {run.status}{reason}"


def _run_start_time(run: Run) -> float:
    """Return when a run started or was submitted, in seconds since the epoch; the current time if unknown."""
    timestamp = run.started_at or run.submitted_at
    return parse_timestamp(timestamp).timestamp() if timestamp else time.time()
