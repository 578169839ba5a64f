"""mlgit reconcile: the controller, which fetches, plans and applies again and again, and what it says of that."""

from __future__ import annotations

import os
import re
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from reconciler.applying.ending import Ending
from reconciler.cli import INTERRUPTED
from reconciler.cli.options import TARGET, format_option, target_option
from reconciler.cli.stream import Stream, streaming
from reconciler.controller.health import HOST, Health, listening
from reconciler.controller.loop import reconcile
from reconciler.controller.turn import Outcome, Place, Watcher
from reconciler.controller.watching import Once, Together
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.format.targets import DEFAULT
from reconciler.git.following import Followed, followed
from reconciler.model import Event, Progress, Run
from reconciler.render.excerpt import inline
from reconciler.render.phrases import sentence
from reconciler.source import workspace as workspaces

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_DRAINING = b"mlgit: what is under way comes to its end first; a second signal stops it\n"


def _seconds(_context: click.Context, _option: click.Parameter, value: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", value)
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0
    if seconds <= 0:
        raise click.BadParameter(f"{value} is no length of time, such as 60s, 5m or 1h")
    return seconds


@click.command("reconcile")
@click.option(
    "--interval", metavar="TIME", callback=_seconds, default="60s", show_default=True, help="Between two turns."
)
@click.option("--once", is_flag=True, help="Take one turn, and exit as `mlgit apply` would.")
@click.option("--ref", "ref", metavar="REF", default="", help="What to follow; by default the upstream of the branch.")
@click.option(
    "--listen", "port", type=click.IntRange(0, 65535), metavar="PORT", help="Serve /healthz and /metrics here."
)
@format_option
@target_option
def command(*, interval: float, once: bool, ref: str, port: int | None, form: str) -> int:
    """Fetch, plan and apply again and again.

    What is decided unasked stays within the bounds of mlgit.yml: limits, protect, drift. The rest is said once and
    left to you. SIGTERM and Ctrl-C let what is under way come to its end; runs go on by themselves.

    \b
    mlgit reconcile --ref origin/main --interval 5m --listen 9464
    mlgit reconcile --once
    """

    def work(told: Stream | None) -> int:
        place = Place(Path.cwd(), _followed(ref), click.get_current_context().meta.get(TARGET, DEFAULT))
        watcher: Watcher = Once(_Told(told) if told else _Log())
        ending = Ending(_drains)
        with ExitStack() as stack:
            stack.enter_context(ending.listening())
            if port is not None:
                health = Health(interval)
                served = stack.enter_context(listening(health, port))
                watcher.note(f"serves http://{HOST}:{served}/healthz and /metrics")
                watcher = Together((health, watcher))
            outcome = reconcile(place, interval, watcher, ending, once=once)
        if ending.by:
            return INTERRUPTED if ending.by == signal.SIGINT else 0
        return outcome.code

    return streaming(work) if form == "json" else work(None)


def _followed(ref: str) -> Followed:
    workspace = workspaces.find(Path.cwd())
    try:
        return followed(workspace.repository, ref)
    finally:
        workspace.repository.close()


def _drains() -> None:
    """Say so at once, in a way that a handler of signals may."""
    os.write(2, _DRAINING)


class _Log:
    """Writes one line for each thing that happens."""

    def event(self, event: Event) -> None:
        if event.progress in (Progress.STARTED, Progress.WAITING):
            return
        said = event.message if event.progress is not Progress.DONE else ""
        _line(str(event.progress), f"{sentence(event.action)}{f': {said}' if said else ''}")
        for each in event.error.diagnostics if isinstance(event.error, UserError) else ():
            self.problem(each)

    def note(self, text: str) -> None:
        _line("note", text)

    def problem(self, found: Diagnostic) -> None:
        where = f"{found.span}: " if found.span else ""
        hint = f"; help: {found.hint}" if found.hint else ""
        _line(str(found.severity), f"{where}{found.message} [{found.code}]{hint}")

    def running(self, runs: tuple[Run, ...]) -> None:
        """Say nothing: a controller waits for no run."""

    def ended(self, outcome: Outcome) -> None:
        """Say nothing: what came of the turn was said."""


def _line(what: str, text: str) -> None:
    time = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    click.echo(f"{time} {what:<7} {inline(text)}")


@dataclass(frozen=True, slots=True)
class _Told:
    """Writes the stream of events."""

    stream: Stream

    def event(self, event: Event) -> None:
        self.stream.event(event)

    def note(self, text: str) -> None:
        self.stream.note(text)

    def problem(self, found: Diagnostic) -> None:
        self.stream.diagnostic(found)

    def running(self, runs: tuple[Run, ...]) -> None:
        self.stream.running(runs)

    def ended(self, outcome: Outcome) -> None:
        failed = len(outcome.result.failed) if outcome.result else 0
        counts = {"failed": failed + len(outcome.wrong), "stopped": len(outcome.stops), "drift": outcome.drift}
        self.stream.write({"type": "turn-ended", "commit": outcome.commit, "done": _done(outcome), **counts})


def _done(outcome: Outcome) -> int:
    return outcome.result.done if outcome.result else 0
