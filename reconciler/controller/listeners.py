"""Who looks on at a controller: several at once, and people, who are told once what goes on being so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reconciler.controller.iteration import ControllerListener, IterationResult
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import Event, Progress, Run


@dataclass(frozen=True, slots=True)
class CompositeListener:
    """Hands everything on to several watchers."""

    listeners: Sequence[ControllerListener]

    def on_event(self, event: Event) -> None:
        for controller_listener in self.listeners:
            controller_listener.on_event(event)

    def on_note(self, text: str) -> None:
        for controller_listener in self.listeners:
            controller_listener.on_note(text)

    def on_diagnostic(self, found: Diagnostic) -> None:
        for controller_listener in self.listeners:
            controller_listener.on_diagnostic(found)

    def on_running_runs(self, runs: tuple[Run, ...]) -> None:
        for controller_listener in self.listeners:
            controller_listener.on_running_runs(runs)

    def on_iteration_end(self, outcome: IterationResult) -> None:
        for controller_listener in self.listeners:
            controller_listener.on_iteration_end(outcome)


@dataclass(slots=True)
class DeduplicatingListener:
    """Hands on to another watcher what the turn before did not say. What was done is always new."""

    listener: ControllerListener
    _previous_messages: set[str] = field(default_factory=set)
    _current_messages: set[str] = field(default_factory=set)

    def on_event(self, event: Event) -> None:
        error = event.error.diagnostics if isinstance(event.error, UserError) else event.error
        said = f"{event.progress} {event.action.key} {event.action.version} {event.message} {error}"
        if self._is_new(said) or event.progress is Progress.DONE:
            self.listener.on_event(event)

    def on_note(self, text: str) -> None:
        if self._is_new(text):
            self.listener.on_note(text)

    def on_diagnostic(self, found: Diagnostic) -> None:
        if self._is_new(f"{found.code} {found.span} {found.message}"):
            self.listener.on_diagnostic(found)

    def on_running_runs(self, runs: tuple[Run, ...]) -> None:
        self.listener.on_running_runs(runs)

    def on_iteration_end(self, outcome: IterationResult) -> None:
        self.listener.on_iteration_end(outcome)
        self._previous_messages, self._current_messages = self._current_messages, set()

    def _is_new(self, said: str) -> bool:
        new = said not in self._previous_messages | self._current_messages
        self._current_messages.add(said)
        return new
