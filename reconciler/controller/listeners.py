"""Listeners of the controller: one that passes events on to several, and one that leaves out repeated messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reconciler.controller.iteration import ControllerListener, IterationResult
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import Event, Progress, Run


@dataclass(frozen=True, slots=True)
class CompositeListener:
    """Passes everything on to several listeners."""

    listeners: Sequence[ControllerListener]

    def on_event(self, event: Event) -> None:
        for listener in self.listeners:
            listener.on_event(event)

    def on_note(self, text: str) -> None:
        for listener in self.listeners:
            listener.on_note(text)

    def on_diagnostic(self, diagnostic: Diagnostic) -> None:
        for listener in self.listeners:
            listener.on_diagnostic(diagnostic)

    def on_running_runs(self, runs: tuple[Run, ...]) -> None:
        for listener in self.listeners:
            listener.on_running_runs(runs)

    def on_iteration_end(self, result: IterationResult) -> None:
        for listener in self.listeners:
            listener.on_iteration_end(result)


@dataclass(slots=True)
class DeduplicatingListener:
    """Passes on what the previous iteration did not report. Actions that were done are always passed on."""

    listener: ControllerListener
    _previous_messages: set[str] = field(default_factory=set)
    _current_messages: set[str] = field(default_factory=set)

    def on_event(self, event: Event) -> None:
        error = event.error.diagnostics if isinstance(event.error, UserError) else event.error
        message = f"{event.progress} {event.action.key} {event.action.version} {event.message} {error}"
        if self._is_new(message) or event.progress is Progress.DONE:
            self.listener.on_event(event)

    def on_note(self, text: str) -> None:
        if self._is_new(text):
            self.listener.on_note(text)

    def on_diagnostic(self, diagnostic: Diagnostic) -> None:
        if self._is_new(f"{diagnostic.code} {diagnostic.span} {diagnostic.message}"):
            self.listener.on_diagnostic(diagnostic)

    def on_running_runs(self, runs: tuple[Run, ...]) -> None:
        self.listener.on_running_runs(runs)

    def on_iteration_end(self, result: IterationResult) -> None:
        self.listener.on_iteration_end(result)
        self._previous_messages, self._current_messages = self._current_messages, set()

    def _is_new(self, message: str) -> bool:
        is_new = message not in self._previous_messages | self._current_messages
        self._current_messages.add(message)
        return is_new
