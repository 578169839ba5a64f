"""One plan, done in its order: a failed action skips what waits for it, everything else goes on."""

from __future__ import annotations

from collections.abc import Container

from reconciler.applying.act import Context, act, external
from reconciler.diagnostics import UserError
from reconciler.model import Action, Event, Plan, Progress


def apply(plan: Plan, context: Context) -> tuple[Event, ...]:
    """Do what a plan says; return the events of the actions that failed.

    Whatever ends this, Ctrl-C too: what was done by then is written.
    """
    failed: dict[str, Event] = {}
    waiting: set[str] = set()
    try:
        for action in plan.actions:
            event = _held_back(action, failed, waiting)
            if event is None:
                event = _do(action, context)
            if event is None:
                continue
            context.emit(event)
            if event.progress is Progress.WAITING:
                waiting.add(action.key)
            else:
                failed[action.key] = event
    finally:
        _flush(context)
    return tuple(failed.values())


def _held_back(action: Action, failed: Container[str], waiting: Container[str]) -> Event | None:
    """Return the event of an action that cannot be done now, because of another."""
    blocking = next((key for key in action.needs if key in failed), None)
    if blocking is not None:
        return Event(Progress.SKIPPED, action, f"because {blocking} failed")
    if action.known_after is not None or any(key in waiting for key in action.needs):
        return Event(Progress.WAITING, action, f"waits for {action.known_after}" if action.known_after else "waits")
    return None


def _do(action: Action, context: Context) -> Event | None:
    """Do one action; return the event of its failure, if it fails."""
    if external(action) or action.needs:
        _flush(context)
    context.emit(Event(Progress.STARTED, action))
    try:
        context.ledger.add(act(context, action), action)
    except UserError as error:
        return Event(Progress.FAILED, action, error=error)
    if external(action):
        _flush(context)
    return None


def _flush(context: Context) -> None:
    for action in context.ledger.flush():
        context.emit(Event(Progress.DONE, action))
