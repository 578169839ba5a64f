"""How a controller is doing, for machines: /healthz and /metrics, on loopback and nowhere else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    disable_created_metrics,
    generate_latest,
)

from reconciler.controller.iteration import IterationResult
from reconciler.diagnostics import Diagnostic, user_error
from reconciler.model import Event, Progress, Run, RunStatus

LISTEN_HOST = "127.0.0.1"
_MAX_MISSED_INTERVALS = 3  # intervals without a success, after which something is wrong
_TEXT_CONTENT_TYPE = "text/plain; charset=utf-8"
_OUTCOME_LABELS = {each: str(each) for each in (Progress.DONE, Progress.FAILED, Progress.SKIPPED, Progress.LOCKED)}


@dataclass(slots=True)
class ControllerMetrics:
    """Counts what a controller does, as a watcher of it; ``interval`` is in seconds."""

    interval: float
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    _last_success_at: float = field(default_factory=time.monotonic)  # or began
    _unhealthy_reason: str = "no turn has ended yet"
    _iterations: Counter = field(init=False)
    _iteration_failures: Counter = field(init=False)
    _actions: Counter = field(init=False)
    _last_success: Gauge = field(init=False)
    _drift: Gauge = field(init=False)
    _stopped: Gauge = field(init=False)
    _runs: Gauge = field(init=False)

    def __post_init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # when a counter was made is for nobody to watch
        known = self.registry
        self._iterations = Counter("mlgit_turns", "Turns taken.", registry=known)
        self._iteration_failures = Counter("mlgit_turn_failures", "Turns that failed.", registry=known)
        self._actions = Counter("mlgit_actions", "Actions, by what became of them.", ["op", "outcome"], registry=known)
        self._last_success = Gauge(
            "mlgit_last_success_timestamp_seconds", "When a turn last succeeded.", registry=known
        )
        self._drift = Gauge("mlgit_drift", "Where the world is not as it is recorded.", registry=known)
        self._stopped = Gauge("mlgit_stopped", "What is left for a person to decide.", registry=known)
        self._runs = Gauge("mlgit_runs", "The newest run of each job, by status.", ["status"], registry=known)

    def on_event(self, event: Event) -> None:
        if event.progress in _OUTCOME_LABELS:
            self._actions.labels(str(event.action.op), _OUTCOME_LABELS[event.progress]).inc()

    def on_note(self, text: str) -> None:
        """Take no interest in notes."""

    def on_diagnostic(self, found: Diagnostic) -> None:
        """Take no interest in what is said: how a turn ends tells enough."""

    def on_running_runs(self, runs: tuple[Run, ...]) -> None:
        """Take no interest in the runs that are waited for: a controller waits for none."""

    def on_iteration_end(self, outcome: IterationResult) -> None:
        self._iterations.inc()
        self._drift.set(outcome.drift_count)
        self._stopped.set(len(outcome.stop_reasons))
        if outcome.run_counts is not None:
            for status in RunStatus:
                self._runs.labels(str(status)).set(outcome.run_counts.get(status, 0))
        if outcome.has_failed:
            self._iteration_failures.inc()
            self._unhealthy_reason = _failure_reason(outcome)
        else:
            self._last_success_at = time.monotonic()
            self._last_success.set_to_current_time()
            self._unhealthy_reason = "the turn that began after that is still going on"

    def unhealthy_message(self) -> str:
        """Say what is wrong, "" where all is well: turns succeed, or have not failed for long."""
        silent = time.monotonic() - self._last_success_at
        if silent <= _MAX_MISSED_INTERVALS * self.interval:
            return ""
        return f"no turn has succeeded for {silent:.0f} s: {self._unhealthy_reason}"


def _failure_reason(outcome: IterationResult) -> str:
    if outcome.errors:
        return str(outcome.errors[0].message)
    failed = outcome.apply_result.failed if outcome.apply_result else ()
    return next((f"{event.action.key} failed" for event in failed), "")


@contextmanager
def serve_metrics(health: ControllerMetrics, port: int) -> Iterator[int]:
    """Answer on a port of this machine, 0 for any that is free, for as long as the block goes on; give the port.

    Raises UserError ``port-taken``.
    """
    answers: dict[str, Callable[[], tuple[HTTPStatus, str, bytes]]] = {
        "/healthz": lambda: _healthz_response(health),
        "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(health.registry)),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            status, sort, body = (
                answer() if answer else (HTTPStatus.NOT_FOUND, _TEXT_CONTENT_TYPE, b"see /healthz and /metrics\n")
            )
            self.send_response(status)
            self.send_header("Content-Type", sort)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing of who asks."""

    try:
        server = ThreadingHTTPServer((LISTEN_HOST, port), Handler)
    except (OSError, OverflowError) as error:
        message = f"cannot listen on port {port} of {LISTEN_HOST}: {error}"
        raise user_error("port-taken", message, "name another port with --listen; 0 takes one that is free") from error
    with server:
        thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _healthz_response(health: ControllerMetrics) -> tuple[HTTPStatus, str, bytes]:
    ill = health.unhealthy_message()
    return (HTTPStatus.SERVICE_UNAVAILABLE if ill else HTTPStatus.OK), _TEXT_CONTENT_TYPE, f"{ill or 'ok'}\n".encode()
