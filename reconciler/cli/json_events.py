"""Standard output as a stream of events for programs (``--format json``): one JSON object a line, nothing else.

The last event has the exit code, however the command ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import TracebackType
from typing import Self

import click

from reconciler import __version__
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import Event, Json, Plan, Run, SourceRevision
from reconciler.render import json_events
from reconciler.timestamps import utc_timestamp

# In the context of a command: who is told of diagnostics, in place of people.
DIAGNOSTICS_HANDLER_KEY = "mlgit.diagnostics"
_EXIT_INTERRUPTED, _EXIT_BUG = 130, 3


class EventStream:
    """Writes events; it is also who watches an apply."""

    def __init__(self) -> None:
        self._last_run_events: dict[str, Json] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Nothing is left to close."""

    def write(self, event: Json) -> None:
        """Write one event, with the time of day."""
        time = utc_timestamp("milliseconds")
        line = {"v": json_events.EVENT_VERSION, "type": event["type"], "time": time, **event}
        click.echo(json.dumps(line, ensure_ascii=True))

    def write_diagnostic(self, found: Diagnostic) -> None:
        """Tell what is wrong."""
        self.write(json_events.diagnostic_event(found))

    def write_plan_started(self, source: SourceRevision) -> None:
        """Tell that planning begins."""
        where = {"commit": source.commit, "tree": source.tree, "dirty": source.dirty}
        self.write({"type": "plan-started", "tool": __version__, **where})

    def write_plan(self, plan: Plan, body: Json) -> None:
        """Tell a whole plan, and its body."""
        for event in json_events.plan_events(plan, body):
            self.write(event)

    def on_event(self, event: Event) -> None:
        """Tell what happened to an action."""
        self.write(json_events.action_event(event))

    def on_note(self, text: str) -> None:
        """Tell what is worth knowing."""
        self.write(json_events.note_event(text))

    def on_running_runs(self, runs: tuple[Run, ...]) -> None:
        """Tell how runs stand, each time that it changes."""
        for run in runs:
            told = json_events.run_event(run)
            if self._last_run_events.get(run.id) != told:
                self._last_run_events[run.id] = told
                self.write(told)

    def write_apply_ended(self, *, done: int, failed: int, skipped: int, locked: int) -> None:
        """Tell what came of an apply."""
        self.write({"type": "apply-ended", "done": done, "failed": failed, "skipped": skipped, "locked": locked})


def run_with_event_stream(work: Callable[[EventStream], int]) -> int:
    """Do the work of a command with a stream to tell it to; return its exit code, as the last event has it."""
    told = EventStream()
    click.get_current_context().meta[DIAGNOSTICS_HANDLER_KEY] = told.write_diagnostic
    code = _EXIT_BUG
    try:
        code = work(told)
    except UserError as error:
        code = 1
        for diagnostic in error.diagnostics:
            told.write_diagnostic(diagnostic)
    except click.ClickException:
        code = 1
        raise
    except (click.Abort, KeyboardInterrupt):
        code = _EXIT_INTERRUPTED
        raise
    finally:
        told.write({"type": "ended", "exit_code": code})
    return code
