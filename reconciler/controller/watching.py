"""Who looks on at a controller: several at once, and people, who are told once what goes on being so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reconciler.controller.turn import Outcome, Watcher
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import Event, Progress, Run


@dataclass(frozen=True, slots=True)
class Together:
    """Hands everything on to several watchers."""

    watchers: Sequence[Watcher]

    def event(self, event: Event) -> None:
        for each in self.watchers:
            each.event(event)

    def note(self, text: str) -> None:
        for each in self.watchers:
            each.note(text)

    def problem(self, found: Diagnostic) -> None:
        for each in self.watchers:
            each.problem(found)

    def running(self, runs: tuple[Run, ...]) -> None:
        for each in self.watchers:
            each.running(runs)

    def ended(self, outcome: Outcome) -> None:
        for each in self.watchers:
            each.ended(outcome)


@dataclass(slots=True)
class Once:
    """Hands on to another watcher what the turn before did not say. What was done is always new."""

    watcher: Watcher
    _before: set[str] = field(default_factory=set)
    _now: set[str] = field(default_factory=set)

    def event(self, event: Event) -> None:
        error = event.error.diagnostics if isinstance(event.error, UserError) else event.error
        said = f"{event.progress} {event.action.key} {event.action.version} {event.message} {error}"
        if self._is_new(said) or event.progress is Progress.DONE:
            self.watcher.event(event)

    def note(self, text: str) -> None:
        if self._is_new(text):
            self.watcher.note(text)

    def problem(self, found: Diagnostic) -> None:
        if self._is_new(f"{found.code} {found.span} {found.message}"):
            self.watcher.problem(found)

    def running(self, runs: tuple[Run, ...]) -> None:
        self.watcher.running(runs)

    def ended(self, outcome: Outcome) -> None:
        self.watcher.ended(outcome)
        self._before, self._now = self._now, set()

    def _is_new(self, said: str) -> bool:
        new = said not in self._before | self._now
        self._now.add(said)
        return new
