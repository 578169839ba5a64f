"""What is going on, drawn in place on a terminal: one line for each, with how long it takes and what it said last."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live as Display
from rich.spinner import Spinner
from rich.text import Text

from reconciler.model import Action, Run
from reconciler.render.code_frame import sanitize_line
from reconciler.timestamps import parse_timestamp

_MAX_LINES = 10  # lines
_RESERVED_COLUMNS = (
    3  # columns left free: a terminal writes ^C behind the last line, and what is broken is not wiped out
)


@dataclass(frozen=True, slots=True)
class _ActivityLine:
    """One thing that goes on; it began at a time of day."""

    subject: str
    message: str
    started_at: float


@dataclass(slots=True)
class ProgressDisplay:
    """The lines below what is done, drawn again and again between ``start`` and ``stop``."""

    console: Console
    _action_lines: dict[str, _ActivityLine] = field(default_factory=dict)
    _run_lines: dict[str, _ActivityLine] = field(default_factory=dict)
    _spinner: Spinner = field(default_factory=lambda: Spinner("dots"))
    _display: Display = field(init=False)

    def __post_init__(self) -> None:
        self._display = Display(console=self.console, get_renderable=self._render, transient=True, refresh_per_second=8)

    def start(self) -> None:
        self._display.start()

    def stop(self) -> None:
        """Wipe the lines out."""
        self._display.stop()

    def show_action(self, key: str, subject: str, said: str = "") -> None:
        """Show an action, or what it says now."""
        known = self._action_lines.get(key)
        self._action_lines[key] = _ActivityLine(subject, said, known.started_at if known else time.time())

    def remove_action(self, action: Action) -> None:
        """Show an action, and a run that it records, no more."""
        self._action_lines.pop(str(action.key), None)
        self._run_lines.pop(action.version, None)

    def show_runs(self, found: tuple[Run, ...], tail: Callable[[Run], str]) -> None:
        """Show these runs and no others, each with the last line of its log."""
        self._run_lines = {
            run.id: _ActivityLine(str(run.address), tail(run) or _format_run_status(run), _run_start_time(run))
            for run in found
        }

    def _render(self) -> RenderableType:
        """Draw one line for each, or for as many as there is room for."""
        every = [*self._action_lines.values(), *self._run_lines.values()]
        room = max(1, min(_MAX_LINES, self.console.height - 2))
        shown = every if len(every) <= room else every[: room - 1]
        mark = self._spinner.render(self.console.get_time())
        lines = [
            Text.assemble("  ", mark if isinstance(mark, Text) else "", " ", _format_activity_line(activity_line))
            for activity_line in shown
        ]
        if every[len(shown) :]:
            lines.append(Text(f"    and {len(every) - len(shown)} more"))
        for line in lines:
            line.truncate(max(1, self.console.width - _RESERVED_COLUMNS), overflow="ellipsis")
        return Group(*lines)


def _format_activity_line(line: _ActivityLine) -> str:
    said = f": {line.message}" if line.message else ""
    return sanitize_line(f"{line.subject} ({_format_elapsed(time.time() - line.started_at)}){said}")


def _format_run_status(run: Run) -> str:
    return f"run {run.id} is {run.status}"


def _run_start_time(run: Run) -> float:
    """Return when a run began, or was submitted; now, where that is not known."""
    when = run.started_at or run.submitted_at
    return parse_timestamp(when).timestamp() if when else time.time()


def _format_elapsed(seconds: float) -> str:
    """Write how long something takes so far: ``12 s``, ``3 min 05 s``, ``2 h 07 min``."""
    whole = max(0, int(seconds))
    minutes, hours = whole // 60, whole // 3600
    if hours:
        return f"{hours} h {minutes % 60:02} min"
    return f"{minutes} min {whole % 60:02} s" if minutes else f"{whole} s"
