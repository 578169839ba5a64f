"""Live progress on a terminal: one line for each running action or run, with its duration and last message."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from reconciler.abbreviation import format_elapsed
from reconciler.model import Action, Run
from reconciler.render.sanitize import sanitize_line
from reconciler.timestamps import parse_timestamp

_MAX_LINES = 10
_RESERVED_COLUMNS = 3  # a terminal echoes ^C behind the last line, and a line that wraps is not erased


@dataclass(frozen=True, slots=True)
class _ActivityLine:
    """One running action or run."""

    title: str
    message: str
    started_at: float  # seconds since the epoch


@dataclass(slots=True)
class ProgressDisplay:
    """The lines below the finished actions, redrawn between ``start`` and ``stop``."""

    console: Console
    _action_lines: dict[str, _ActivityLine] = field(default_factory=dict)
    _run_lines: dict[str, _ActivityLine] = field(default_factory=dict)
    _spinner: Spinner = field(default_factory=lambda: Spinner("dots"))
    _display: Live = field(init=False)

    def __post_init__(self) -> None:
        self._display = Live(console=self.console, get_renderable=self._render, transient=True, refresh_per_second=8)

    def start(self) -> None:
        self._display.start()

    def stop(self) -> None:
        """Erase the lines."""
        self._display.stop()

    def show_action(self, key: str, title: str, message: str = "") -> None:
        """Show an action, or its new message."""
        line = self._action_lines.get(key)
        self._action_lines[key] = _ActivityLine(title, message, line.started_at if line else time.time())

    def remove_action(self, action: Action) -> None:
        """Stop showing an action, and the run that it records."""
        self._action_lines.pop(str(action.key), None)
        self._run_lines.pop(action.version, None)

    def show_runs(self, runs: tuple[Run, ...], read_last_log_line: Callable[[Run], str]) -> None:
        """Show these runs and no others, each with the last line of its log."""
        self._run_lines = {
            run.id: _ActivityLine(
                str(run.address), read_last_log_line(run) or _format_run_status(run), _run_start_time(run)
            )
            for run in runs
        }

    def _render(self) -> RenderableType:
        """Return one line for each action and run, or for as many as fit."""
        activities = [*self._action_lines.values(), *self._run_lines.values()]
        room = max(1, min(_MAX_LINES, self.console.height - 2))
        visible = activities if len(activities) <= room else activities[: room - 1]
        spinner = self._spinner.render(self.console.get_time())
        lines = [
            Text.assemble("  ", spinner if isinstance(spinner, Text) else "", " ", _format_activity_line(activity))
            for activity in visible
        ]
        if activities[len(visible) :]:
            lines.append(Text(f"    and {len(activities) - len(visible)} more"))
        for line in lines:
            line.truncate(max(1, self.console.width - _RESERVED_COLUMNS), overflow="ellipsis")
        return Group(*lines)


def _format_activity_line(line: _ActivityLine) -> str:
    message = f": {line.message}" if line.message else ""
    return sanitize_line(f"{line.title} ({format_elapsed(int(time.time() - line.started_at))}){message}")


def _format_run_status(run: Run) -> str:
    return f"run {run.id} is {run.status}"


def _run_start_time(run: Run) -> float:
    """Return when a run started or was submitted, in seconds since the epoch; the current time if unknown."""
    timestamp = run.started_at or run.submitted_at
    return parse_timestamp(timestamp).timestamp() if timestamp else time.time()
