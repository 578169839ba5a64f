"""Write standard output as a stream of events (``--format json``): one JSON object per line, and no other text.

The last event contains the exit code, also after an error or an interruption.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

import click

from reconciler import __version__
from reconciler.cli import EXIT_BUG, EXIT_INTERRUPTED
from reconciler.cli.console import echo
from reconciler.cli.options import DIAGNOSTICS_HANDLER_KEY
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import Event, Forecast, Json, Op, Plan, Progress, Run, SourceRevision, StepRun
from reconciler.render import json_events
from reconciler.render.masked_diagnostics import mask_diagnostics
from reconciler.render.step_tree import changed_steps
from reconciler.timestamps import utc_timestamp


class EventStream:
    """Writes events to standard output, also as the listener of an apply."""

    def __init__(self) -> None:
        self._last_run_events: dict[str, Json] = {}
        self._last_steps: dict[str, dict[str, StepRun]] = {}
        self.read_steps: Callable[[Run], Sequence[StepRun]] = lambda _run: ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Do nothing: the stream holds no resources."""

    def write(self, event: Json) -> None:
        """Write one event with the current time."""
        time = utc_timestamp("milliseconds")
        stamped = {"v": json_events.EVENT_VERSION, "type": event["type"], "time": time, **event}
        echo(json.dumps(stamped, ensure_ascii=True))

    def write_diagnostic(self, diagnostic: Diagnostic) -> None:
        """Write the event of a diagnostic."""
        self.write(json_events.diagnostic_event(diagnostic))

    def write_plan_started(self, source: SourceRevision) -> None:
        """Write the event that planning has started."""
        revision = {"commit": source.commit, "tree": source.tree, "dirty": source.dirty}
        self.write({"type": "plan-started", "tool": __version__, **revision})

    def write_plan(self, plan: Plan, body: Json, forecasts: Iterable[Forecast] = ()) -> None:
        """Write the events of a plan, its body, and beside it the forecasts."""
        for event in json_events.plan_events(plan, body, forecasts):
            self.write(event)

    def on_event(self, event: Event) -> None:
        """Write the event of an action, after those of the steps of the run that it records."""
        if event.action.op is Op.RECORD and event.action.run and event.progress is Progress.DONE:
            self._write_steps(event.action.run)
        self.write(json_events.action_event(event))

    def on_note(self, text: str) -> None:
        """Write the event of a note."""
        self.write(json_events.note_event(text))

    def on_running_runs(self, runs: tuple[Run, ...]) -> None:
        """Write an event for every run, and every step of one, whose status has changed since its last event."""
        for run in runs:
            event = json_events.run_event(run)
            if self._last_run_events.get(run.id) != event:
                self._last_run_events[run.id] = event
                self.write(event)
            self._write_steps(run)

    def _write_steps(self, run: Run) -> None:
        if steps := self.read_steps(run):
            for event in json_events.step_events(run, changed_steps(steps, self._last_steps.get(run.id, {}))):
                self.write(event)
            self._last_steps[run.id] = {step.step: step for step in steps}

    def write_apply_ended(self, *, done: int, failed: int, skipped: int, locked: int) -> None:
        """Write the event that an apply has ended, with the number of actions by result."""
        self.write({"type": "apply-ended", "done": done, "failed": failed, "skipped": skipped, "locked": locked})


def run_with_event_stream(run_command: Callable[[EventStream], int]) -> int:
    """Run a command that writes to an event stream; return its exit code, which the last event contains, too."""
    stream = EventStream()
    click.get_current_context().meta[DIAGNOSTICS_HANDLER_KEY] = stream.write_diagnostic
    code = EXIT_BUG
    try:
        code = run_command(stream)
    except UserError as error:
        code = 1
        for diagnostic in mask_diagnostics(error.diagnostics, lambda _path: ()):
            stream.write_diagnostic(diagnostic)
    except click.ClickException:
        code = 1
        raise
    except (click.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
        raise
    finally:
        stream.write({"type": "ended", "exit_code": code})
    return code
