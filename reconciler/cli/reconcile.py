"""mlgit reconcile: the controller, which fetches, plans and applies again and again, and what it says of that."""

from __future__ import annotations

import os
import re
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from reconciler.cli import EXIT_INTERRUPTED
from reconciler.cli.json_events import EventStream, run_with_event_stream
from reconciler.cli.options import TARGET_KEY, format_option, target_option
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.controller.iteration import ControllerListener, IterationResult, ReconcileTarget
from reconciler.controller.listeners import CompositeListener, DeduplicatingListener
from reconciler.controller.loop import run_controller
from reconciler.controller.metrics import LISTEN_HOST, ControllerMetrics, serve_metrics
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.engine.signals import GracefulShutdown
from reconciler.git.upstream import TrackedRef, find_tracked_ref
from reconciler.model import Event, Progress, Run
from reconciler.render.code_frame import sanitize_line
from reconciler.render.sentences import action_sentence
from reconciler.source import workspace as workspaces
from reconciler.timestamps import utc_timestamp

_SECONDS_PER_UNIT = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_SHUTDOWN_MESSAGE = b"mlgit: what is under way comes to its end first; a second signal stops it\n"


def _parse_duration(_context: click.Context, _option: click.Parameter, value: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", value)
    seconds = float(found[1]) * _SECONDS_PER_UNIT[found[2]] if found else 0
    if seconds <= 0:
        raise click.BadParameter(f"{value} is no length of time, such as 60s, 5m or 1h")
    return seconds


@click.command("reconcile")
@click.option(
    "--interval", metavar="TIME", callback=_parse_duration, default="60s", show_default=True, help="Between two turns."
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

    def work(told: EventStream | None) -> int:
        place = ReconcileTarget(
            Path.cwd(), _find_tracked_ref(ref), click.get_current_context().meta.get(TARGET_KEY, DEFAULT_TARGET)
        )
        watcher: ControllerListener = DeduplicatingListener(_EventStreamListener(told) if told else _LogListener())
        ending = GracefulShutdown(_write_shutdown_message)
        with ExitStack() as stack:
            stack.enter_context(ending.handle_signals())
            if port is not None:
                health = ControllerMetrics(interval)
                served = stack.enter_context(serve_metrics(health, port))
                watcher.on_note(f"serves http://{LISTEN_HOST}:{served}/healthz and /metrics")
                watcher = CompositeListener((health, watcher))
            outcome = run_controller(place, interval, watcher, ending, once=once)
        if ending.signal_number:
            return EXIT_INTERRUPTED if ending.signal_number == signal.SIGINT else 0
        return outcome.exit_code

    return run_with_event_stream(work) if form == "json" else work(None)


def _find_tracked_ref(ref: str) -> TrackedRef:
    workspace = workspaces.find_workspace(Path.cwd())
    try:
        return find_tracked_ref(workspace.repository, ref)
    finally:
        workspace.repository.close()


def _write_shutdown_message() -> None:
    """Say so at once, in a way that a handler of signals may."""
    os.write(2, _SHUTDOWN_MESSAGE)


class _LogListener:
    """Writes one line for each thing that happens."""

    def on_event(self, event: Event) -> None:
        if event.progress in (Progress.STARTED, Progress.WAITING):
            return
        said = event.message if event.progress is not Progress.DONE else ""
        _print_log_line(str(event.progress), f"{action_sentence(event.action)}{f': {said}' if said else ''}")
        for diagnostic in event.error.diagnostics if isinstance(event.error, UserError) else ():
            self.on_diagnostic(diagnostic)

    def on_note(self, text: str) -> None:
        _print_log_line("note", text)

    def on_diagnostic(self, found: Diagnostic) -> None:
        where = f"{found.span}: " if found.span else ""
        hint = f"; help: {found.hint}" if found.hint else ""
        _print_log_line(str(found.severity), f"{where}{found.message} [{found.code}]{hint}")

    def on_running_runs(self, runs: tuple[Run, ...]) -> None:
        """Say nothing: a controller waits for no run."""

    def on_iteration_end(self, outcome: IterationResult) -> None:
        """Say nothing: what came of the turn was said."""


def _print_log_line(what: str, text: str) -> None:
    click.echo(f"{utc_timestamp()} {what:<7} {sanitize_line(text)}")


@dataclass(frozen=True, slots=True)
class _EventStreamListener:
    """Writes the stream of events."""

    stream: EventStream

    def on_event(self, event: Event) -> None:
        self.stream.on_event(event)

    def on_note(self, text: str) -> None:
        self.stream.on_note(text)

    def on_diagnostic(self, found: Diagnostic) -> None:
        self.stream.write_diagnostic(found)

    def on_running_runs(self, runs: tuple[Run, ...]) -> None:
        self.stream.on_running_runs(runs)

    def on_iteration_end(self, outcome: IterationResult) -> None:
        failed = len(outcome.apply_result.failed) if outcome.apply_result else 0
        counts = {
            "failed": failed + len(outcome.errors),
            "stopped": len(outcome.stop_reasons),
            "drift": outcome.drift_count,
        }
        self.stream.write({"type": "turn-ended", "commit": outcome.commit, "done": _count_done(outcome), **counts})


def _count_done(outcome: IterationResult) -> int:
    return outcome.apply_result.done_count if outcome.apply_result else 0
