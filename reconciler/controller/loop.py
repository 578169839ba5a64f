"""Turn after turn until somebody ends it: at an interval, and after turns that failed at growing ones."""

from __future__ import annotations

import random
import traceback
from pathlib import Path

from reconciler.controller.iteration import ControllerListener, IterationResult, ReconcileTarget, run_iteration
from reconciler.diagnostics import Diagnostic
from reconciler.engine.signals import GracefulShutdown

_PACKAGE_FOLDER = Path(__file__).parents[1]
_MAX_BACKOFF_INTERVALS = 10  # intervals between two tries, however often it has failed


def backoff_seconds(interval: float, failures: int) -> float:
    """Return for how many seconds to pause after so many failed turns in a row; a part of it is chance."""
    if not failures:
        return interval
    longest = interval * min(2.0 ** min(failures - 1, _MAX_BACKOFF_INTERVALS), _MAX_BACKOFF_INTERVALS)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads controllers, no secret


def run_controller(
    place: ReconcileTarget,
    interval: float,
    watcher: ControllerListener,
    ending: GracefulShutdown,
    *,
    once: bool = False,
) -> IterationResult:
    """Take turns until it is to end, or just one; return what came of the last."""
    failures = 0
    while True:
        outcome = run_iteration(place, watcher, ending) if once else _run_iteration_safely(place, watcher, ending)
        watcher.on_iteration_end(outcome)
        if once or ending():
            return outcome
        failures = failures + 1 if outcome.has_failed else 0
        ending.sleep(backoff_seconds(interval, failures))
        if ending():
            return outcome


def _run_iteration_safely(
    place: ReconcileTarget, watcher: ControllerListener, ending: GracefulShutdown
) -> IterationResult:
    """Take a turn that does not end the controller, whatever happens: a full disk, or a mistake of ours."""
    try:
        return run_iteration(place, watcher, ending)
    except Exception as error:  # noqa: BLE001 - who looks on is told, and the next turn goes by what is
        ours = [
            each for each in traceback.extract_tb(error.__traceback__) if _PACKAGE_FOLDER in Path(each.filename).parents
        ]
        at = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
        message = f"the turn was broken off by {type(error).__name__}: {error} (at {at})"
        hint = "`mlgit reconcile --once` shows all of it; if it is no fault of the machine, please report it"
        found = Diagnostic("turn-broken-off", message, hint=hint)
        watcher.on_diagnostic(found)
        return IterationResult(errors=(found,))
