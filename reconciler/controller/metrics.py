"""The metrics endpoint of the controller: /healthz and /metrics, on the loopback interface only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
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
_MAX_MISSED_INTERVALS = 3  # intervals without a success, after which the controller is unhealthy
_TEXT_CONTENT_TYPE = "text/plain; charset=utf-8"
_OUTCOME_LABELS = {
    progress: str(progress) for progress in (Progress.DONE, Progress.FAILED, Progress.SKIPPED, Progress.LOCKED)
}


@dataclass(slots=True)
class ControllerMetrics:
    """A listener that counts what a controller does; ``interval`` is in seconds."""

    interval: float
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    _last_success_at: float = field(default_factory=time.monotonic)  # at first the start time
    _unhealthy_reason: str = "no iteration has ended yet"
    _iterations: Counter = field(init=False)
    _iteration_failures: Counter = field(init=False)
    _actions: Counter = field(init=False)
    _last_success: Gauge = field(init=False)
    _drift: Gauge = field(init=False)
    _stopped: Gauge = field(init=False)
    _runs: Gauge = field(init=False)

    def __post_init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self.registry
        self._iterations = Counter("mlgit_turns", "Iterations of the controller.", registry=registry)
        self._iteration_failures = Counter("mlgit_turn_failures", "Iterations that failed.", registry=registry)
        self._actions = Counter("mlgit_actions", "Actions by op and result.", ["op", "outcome"], registry=registry)
        self._last_success = Gauge(
            "mlgit_last_success_timestamp_seconds", "When an iteration last succeeded.", registry=registry
        )
        self._drift = Gauge("mlgit_drift", "Drift from the recorded state.", registry=registry)
        self._stopped = Gauge("mlgit_stopped", "Decisions that need a person.", registry=registry)
        self._runs = Gauge("mlgit_runs", "The newest run of each job, by status.", ["status"], registry=registry)

    def on_event(self, event: Event) -> None:
        if event.progress in _OUTCOME_LABELS:
            self._actions.labels(str(event.action.op), _OUTCOME_LABELS[event.progress]).inc()

    def on_note(self, text: str) -> None:
        """Ignore notes."""

    def on_diagnostic(self, diagnostic: Diagnostic) -> None:
        """Ignore diagnostics; the result of the iteration counts them."""

    def on_running_runs(self, runs: tuple[Run, ...]) -> None:
        """Ignore running runs; a controller does not wait for runs."""

    def on_iteration_end(self, result: IterationResult) -> None:
        self._iterations.inc()
        self._drift.set(result.drift_count)
        self._stopped.set(len(result.stop_reasons))
        if result.run_counts is not None:
            for status in RunStatus:
                self._runs.labels(str(status)).set(result.run_counts.get(status, 0))
        if result.has_failed:
            self._iteration_failures.inc()
            self._unhealthy_reason = _failure_reason(result)
        else:
            self._last_success_at = time.monotonic()
            self._last_success.set_to_current_time()
            self._unhealthy_reason = "the current iteration has not ended"

    def unhealthy_message(self) -> str:
        """Return why the controller is unhealthy; "" if an iteration succeeded within the last three intervals."""
        elapsed = time.monotonic() - self._last_success_at
        if elapsed <= _MAX_MISSED_INTERVALS * self.interval:
            return ""
        return f"no iteration has succeeded for {elapsed:.0f} s: {self._unhealthy_reason}"


def _failure_reason(result: IterationResult) -> str:
    if result.errors:
        return str(result.errors[0].message)
    failed = result.apply_result.failed if result.apply_result else ()
    return next((f"{event.action.key} failed" for event in failed), "")


@contextmanager
def serve_metrics(metrics: ControllerMetrics, port: int) -> Iterator[int]:
    """Serve the metrics on a port of the loopback interface within the block, and yield the port; 0 takes a free one.

    Raises UserError ``port-taken``.
    """
    try:
        server = ThreadingHTTPServer((LISTEN_HOST, port), _request_handler(metrics))
    except (OSError, OverflowError) as error:
        message = f"cannot listen on port {port} of {LISTEN_HOST}: {error}"
        raise user_error("port-taken", message, "choose another port with --listen; 0 takes a free one") from error
    with server:
        thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _request_handler(metrics: ControllerMetrics) -> type[BaseHTTPRequestHandler]:
    responses: Mapping[str, Callable[[], tuple[HTTPStatus, str, bytes]]] = {
        "/healthz": lambda: _healthz_response(metrics),
        "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(metrics.registry)),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            response = responses.get(self.path.partition("?")[0], _not_found_response)
            status, content_type, body = response()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log no requests."""

    return Handler


def _healthz_response(metrics: ControllerMetrics) -> tuple[HTTPStatus, str, bytes]:
    message = metrics.unhealthy_message()
    status = HTTPStatus.SERVICE_UNAVAILABLE if message else HTTPStatus.OK
    return status, _TEXT_CONTENT_TYPE, f"{message or 'ok'}\n".encode()


def _not_found_response() -> tuple[HTTPStatus, str, bytes]:
    return HTTPStatus.NOT_FOUND, _TEXT_CONTENT_TYPE, b"see /healthz and /metrics\n"
