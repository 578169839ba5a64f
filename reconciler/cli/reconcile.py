"""mlgit reconcile: run the controller, which fetches, plans and applies repeatedly, and log what it does."""

from __future__ import annotations

import os
import re
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from reconciler.cli import EXIT_INTERRUPTED
from reconciler.cli.console import echo_line
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
from reconciler.render.sentences import action_sentence
from reconciler.source.workspace import find_workspace
from reconciler.timestamps import utc_timestamp

_SECONDS_PER_UNIT = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_SHUTDOWN_MESSAGE = b"mlgit: finishing running actions; send the signal again to stop at once\n"


def _parse_duration(_context: click.Context, _option: click.Parameter, value: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", value)
    seconds = float(match[1]) * _SECONDS_PER_UNIT[match[2]] if match else 0
    if seconds <= 0:
        raise click.BadParameter(f"{value} is not a duration, such as 60s, 5m or 1h")
    return seconds


@click.command("reconcile")
@click.option(
    "--interval",
    metavar="TIME",
    callback=_parse_duration,
    default="60s",
    show_default=True,
    help="Time between iterations.",
)
@click.option("--once", is_flag=True, help="Run one iteration, and exit as `mlgit apply` would.")
@click.option("--ref", "ref", metavar="REF", default="", help="The ref to follow; default: the upstream of the branch.")
@click.option(
    "--listen", "port", type=click.IntRange(0, 65535), metavar="PORT", help="Serve /healthz and /metrics on this port."
)
@format_option
@target_option
def command(*, interval: float, once: bool, ref: str, port: int | None, form: str) -> int:
    """Fetch, plan and apply repeatedly.

    Without approval the controller decides only what limits, protect and drift of mlgit.yml allow; the rest is
    reported once and left to you. On SIGTERM and Ctrl-C it finishes running actions and exits; submitted runs continue.

    \b
    mlgit reconcile --ref origin/main --interval 5m --listen 9464
    mlgit reconcile --once
    """

    def work(stream: EventStream | None) -> int:
        target = ReconcileTarget(
            Path.cwd(), _find_tracked_ref(ref), click.get_current_context().meta.get(TARGET_KEY, DEFAULT_TARGET)
        )
        log_listener = _EventStreamListener(stream) if stream else _LogListener()
        listener: ControllerListener = DeduplicatingListener(log_listener)
        shutdown = GracefulShutdown(_write_shutdown_message)
        with ExitStack() as stack:
            stack.enter_context(shutdown.handle_signals())
            if port is not None:
                metrics = ControllerMetrics(interval)
                served_port = stack.enter_context(serve_metrics(metrics, port))
                listener.on_note(f"serving http://{LISTEN_HOST}:{served_port}/healthz and /metrics")
                listener = CompositeListener((metrics, listener))
            result = run_controller(target, interval, listener, shutdown, once=once)
        if shutdown.signal_number:
            return EXIT_INTERRUPTED if shutdown.signal_number == signal.SIGINT else 0
        return result.exit_code

    return run_with_event_stream(work) if form == "json" else work(None)


def _find_tracked_ref(ref: str) -> TrackedRef:
    workspace = find_workspace(Path.cwd())
    try:
        return find_tracked_ref(workspace.repository, ref)
    finally:
        workspace.repository.close()


def _write_shutdown_message() -> None:
    """Write the message with a system call, which is allowed in a signal handler."""
    os.write(2, _SHUTDOWN_MESSAGE)


class _LogListener:
    """Writes one line for each event."""

    def on_event(self, event: Event) -> None:
        if event.progress in (Progress.STARTED, Progress.WAITING):
            return
        message = f": {event.message}" if event.message and event.progress is not Progress.DONE else ""
        _print_log_line(str(event.progress), f"{action_sentence(event.action)}{message}")
        for diagnostic in event.error.diagnostics if isinstance(event.error, UserError) else ():
            self.on_diagnostic(diagnostic)

    def on_note(self, text: str) -> None:
        _print_log_line("note", text)

    def on_diagnostic(self, diagnostic: Diagnostic) -> None:
        span = f"{diagnostic.span}: " if diagnostic.span else ""
        hint = f"; help: {diagnostic.hint}" if diagnostic.hint else ""
        _print_log_line(str(diagnostic.severity), f"{span}{diagnostic.message} [{diagnostic.code}]{hint}")

    def on_running_runs(self, runs: tuple[Run, ...]) -> None:
        """Ignore running runs: the controller does not wait for them."""

    def on_iteration_end(self, result: IterationResult) -> None:
        """Ignore the result: its parts have been logged."""


def _print_log_line(label: str, text: str) -> None:
    echo_line(f"{utc_timestamp()} {label:<7} {text}")


@dataclass(frozen=True, slots=True)
class _EventStreamListener:
    """Writes JSON events."""

    stream: EventStream

    def on_event(self, event: Event) -> None:
        self.stream.on_event(event)

    def on_note(self, text: str) -> None:
        self.stream.on_note(text)

    def on_diagnostic(self, diagnostic: Diagnostic) -> None:
        self.stream.write_diagnostic(diagnostic)

    def on_running_runs(self, runs: tuple[Run, ...]) -> None:
        self.stream.on_running_runs(runs)

    def on_iteration_end(self, result: IterationResult) -> None:
        applied = result.apply_result
        counts = {
            "done": applied.done_count if applied else 0,
            "failed": (len(applied.failed) if applied else 0) + len(result.errors),
            "stopped": len(result.stop_reasons),
            "drift": result.drift_count,
        }
        self.stream.write({"type": "turn-ended", "commit": result.commit, **counts})
