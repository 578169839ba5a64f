"""Standard output as a stream of events for programs (``--format json``): one JSON object a line, nothing else.

The last event has the exit code, however the command ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import click

from reconciler import __version__
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import Event, Json, Plan, Run, Source
from reconciler.render import stream

# In the context of a command: who is told of diagnostics, in place of people.
TOLD = "mlgit.diagnostics"
_INTERRUPTED, _BUG = 130, 3


class Stream:
    """Writes events; it is also who watches an apply."""

    def __init__(self) -> None:
        self._runs: dict[str, Json] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Nothing is left to close."""

    def write(self, event: Json) -> None:
        """Write one event, with the time of day."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"v": stream.VERSION, "type": event["type"], "time": time, **event}
        click.echo(json.dumps(line, ensure_ascii=True))

    def diagnostic(self, found: Diagnostic) -> None:
        """Tell what is wrong."""
        self.write(stream.diagnostic(found))

    def started(self, source: Source) -> None:
        """Tell that planning begins."""
        where = {"commit": source.commit, "tree": source.tree, "dirty": source.dirty}
        self.write({"type": "plan-started", "tool": __version__, **where})

    def planned(self, plan: Plan, body: Json) -> None:
        """Tell a whole plan, and its body."""
        for each in stream.planned(plan, body):
            self.write(each)

    def event(self, event: Event) -> None:
        """Tell what happened to an action."""
        self.write(stream.happened(event))

    def note(self, text: str) -> None:
        """Tell what is worth knowing."""
        self.write(stream.note(text))

    def running(self, runs: tuple[Run, ...]) -> None:
        """Tell how runs stand, each time that it changes."""
        for run in runs:
            told = stream.standing(run)
            if self._runs.get(run.id) != told:
                self._runs[run.id] = told
                self.write(told)

    def applied(self, *, done: int, failed: int, skipped: int, barred: int) -> None:
        """Tell what came of an apply."""
        self.write({"type": "apply-ended", "done": done, "failed": failed, "skipped": skipped, "barred": barred})


def streaming(work: Callable[[Stream], int]) -> int:
    """Do the work of a command with a stream to tell it to; return its exit code, as the last event has it."""
    told = Stream()
    click.get_current_context().meta[TOLD] = told.diagnostic
    code = _BUG
    try:
        code = work(told)
    except UserError as error:
        code = 1
        for each in error.diagnostics:
            told.diagnostic(each)
    except click.ClickException:
        code = 1
        raise
    except (click.Abort, KeyboardInterrupt):
        code = _INTERRUPTED
        raise
    finally:
        told.write({"type": "ended", "exit_code": code})
    return code
