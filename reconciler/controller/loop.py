"""Turn after turn until somebody ends it: at an interval, and after turns that failed at growing ones."""

from __future__ import annotations

import random
import traceback
from pathlib import Path

from reconciler.applying.ending import Ending
from reconciler.controller.turn import Outcome, Place, Watcher, turn
from reconciler.diagnostics import Diagnostic

_PACKAGE = Path(__file__).parents[1]
_MOST = 10  # intervals between two tries, however often it has failed


def delay(interval: float, failures: int) -> float:
    """Return for how many seconds to pause after so many failed turns in a row; a part of it is chance."""
    if not failures:
        return interval
    longest = interval * min(2.0 ** min(failures - 1, _MOST), _MOST)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads controllers, no secret


def reconcile(place: Place, interval: float, watcher: Watcher, ending: Ending, *, once: bool = False) -> Outcome:
    """Take turns until it is to end, or just one; return what came of the last."""
    failures = 0
    while True:
        outcome = turn(place, watcher, ending) if once else _survived(place, watcher, ending)
        watcher.ended(outcome)
        if once or ending():
            return outcome
        failures = failures + 1 if outcome.failed else 0
        ending.pause(delay(interval, failures))
        if ending():
            return outcome


def _survived(place: Place, watcher: Watcher, ending: Ending) -> Outcome:
    """Take a turn that does not end the controller, whatever happens: a full disk, or a mistake of ours."""
    try:
        return turn(place, watcher, ending)
    except Exception as error:  # noqa: BLE001 - who looks on is told, and the next turn goes by what is
        ours = [each for each in traceback.extract_tb(error.__traceback__) if _PACKAGE in Path(each.filename).parents]
        at = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
        message = f"the turn was broken off by {type(error).__name__}: {error} (at {at})"
        hint = "`mlgit reconcile --once` shows all of it; if it is no fault of the machine, please report it"
        found = Diagnostic("turn-broken-off", message, hint=hint)
        watcher.problem(found)
        return Outcome(wrong=(found,))
