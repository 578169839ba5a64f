"""What is going on, drawn in place on a terminal: one line for each, with how long it takes and what it said last."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live as Display
from rich.spinner import Spinner
from rich.text import Text

from reconciler.model import Action, Run
from reconciler.render.excerpt import inline

_MOST = 10  # lines
_REST = 3  # columns left free: a terminal writes ^C behind the last line, and what is broken is not wiped out


@dataclass(frozen=True, slots=True)
class _Line:
    """One thing that goes on; it began at a time of day."""

    subject: str
    said: str
    began: float


@dataclass(slots=True)
class Going:
    """The lines below what is done, drawn again and again between ``start`` and ``stop``."""

    console: Console
    _lines: dict[str, _Line] = field(default_factory=dict)
    _runs: dict[str, _Line] = field(default_factory=dict)
    _mark: Spinner = field(default_factory=lambda: Spinner("dots"))
    _display: Display = field(init=False)

    def __post_init__(self) -> None:
        self._display = Display(console=self.console, get_renderable=self._drawn, transient=True, refresh_per_second=8)

    def start(self) -> None:
        self._display.start()

    def stop(self) -> None:
        """Wipe the lines out."""
        self._display.stop()

    def action(self, key: str, subject: str, said: str = "") -> None:
        """Show an action, or what it says now."""
        known = self._lines.get(key)
        self._lines[key] = _Line(subject, said, known.began if known else time.time())

    def ended(self, action: Action) -> None:
        """Show an action, and a run that it records, no more."""
        self._lines.pop(action.key, None)
        self._runs.pop(action.version, None)

    def runs(self, found: tuple[Run, ...], tail: Callable[[Run], str]) -> None:
        """Show these runs and no others, each with the last line of its log."""
        self._runs = {run.id: _Line(str(run.address), tail(run) or _standing(run), _since(run)) for run in found}

    def _drawn(self) -> RenderableType:
        """Draw one line for each, or for as many as there is room for."""
        every = [*self._lines.values(), *self._runs.values()]
        room = max(1, min(_MOST, self.console.height - 2))
        shown = every if len(every) <= room else every[: room - 1]
        mark = self._mark.render(self.console.get_time())
        lines = [Text.assemble("  ", mark if isinstance(mark, Text) else "", " ", _told(each)) for each in shown]
        if every[len(shown) :]:
            lines.append(Text(f"    and {len(every) - len(shown)} more"))
        for line in lines:
            line.truncate(max(1, self.console.width - _REST), overflow="ellipsis")
        return Group(*lines)


def _told(line: _Line) -> str:
    said = f": {line.said}" if line.said else ""
    return inline(f"{line.subject} ({_span(time.time() - line.began)}){said}")


def _standing(run: Run) -> str:
    return f"run {run.id} is {run.status}"


def _since(run: Run) -> float:
    """Return when a run began, or was submitted; now, where that is not known."""
    when = run.started_at or run.submitted_at
    return datetime.fromisoformat(when).timestamp() if when else time.time()


def _span(seconds: float) -> str:
    """Write how long something takes so far: ``12 s``, ``3 min 05 s``, ``2 h 07 min``."""
    whole = max(0, int(seconds))
    minutes, hours = whole // 60, whole // 3600
    if hours:
        return f"{hours} h {minutes % 60:02} min"
    return f"{minutes} min {whole % 60:02} s" if minutes else f"{whole} s"
