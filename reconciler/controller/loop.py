"""The loop of the controller: an iteration at each interval, with growing pauses after iterations that failed."""

from __future__ import annotations

import random
import traceback
from pathlib import Path

from reconciler.controller.iteration import ControllerListener, IterationResult, ReconcileTarget, run_iteration
from reconciler.diagnostics import Diagnostic
from reconciler.engine.signals import GracefulShutdown

_PACKAGE_FOLDER = Path(__file__).parents[1]
_MAX_BACKOFF_INTERVALS = 10


def backoff_seconds(interval: float, failures: int) -> float:
    """Return how long to wait after so many failed iterations in a row, in seconds; partly random."""
    if not failures:
        return interval
    longest = interval * min(2.0 ** min(failures - 1, _MAX_BACKOFF_INTERVALS), _MAX_BACKOFF_INTERVALS)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads controllers, no secret


def run_controller(
    target: ReconcileTarget,
    interval: float,
    listener: ControllerListener,
    shutdown: GracefulShutdown,
    *,
    once: bool = False,
) -> IterationResult:
    """Run iterations until the shutdown is requested, or only one; return the result of the last."""
    failures = 0
    while True:
        if once:
            result = run_iteration(target, listener, shutdown)
        else:
            result = _run_iteration_safely(target, listener, shutdown)
        listener.on_iteration_end(result)
        if once or shutdown():
            return result
        failures = failures + 1 if result.has_failed else 0
        shutdown.sleep(backoff_seconds(interval, failures))
        if shutdown():
            return result


def _run_iteration_safely(
    target: ReconcileTarget, listener: ControllerListener, shutdown: GracefulShutdown
) -> IterationResult:
    """Run an iteration and turn any exception into a diagnostic, so that the controller goes on."""
    try:
        return run_iteration(target, listener, shutdown)
    except Exception as error:  # noqa: BLE001 - reported to the listener; the next iteration starts afresh
        frames = traceback.extract_tb(error.__traceback__)
        *_, frame = (frame for frame in frames if _PACKAGE_FOLDER in Path(frame.filename).parents)
        position = f"{Path(frame.filename).name}:{frame.lineno}"
        message = f"the iteration failed with {type(error).__name__}: {error} (at {position})"
        hint = "run `mlgit reconcile --once` for the traceback; if the machine is not the cause, please report it"
        diagnostic = Diagnostic("turn-broken-off", message, hint=hint)
        listener.on_diagnostic(diagnostic)
        return IterationResult(errors=(diagnostic,))
