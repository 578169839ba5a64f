"""What happens while planning and applying, as events for programs: one JSON object a line (schemas/event.schema.json).

These are the events without their time, which whoever writes them knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import Action, Event, Json, Plan, Progress, Run
from reconciler.planning.saved import plan_body_digest
from reconciler.render import plan_json
from reconciler.render.sentences import action_sentence

EVENT_VERSION = 1

_EVENT_TYPES: Mapping[Progress, str] = {
    Progress.STARTED: "action-started",
    Progress.MESSAGE: "message",
    Progress.DONE: "action-done",
    Progress.FAILED: "action-failed",
    Progress.SKIPPED: "action-skipped",
    Progress.WAITING: "action-waiting",
    Progress.LOCKED: "action-locked",
}
_ACTION_KEYS = ("key", "action", "address", "version", "sentence")


def diagnostic_event(found: Diagnostic) -> Json:
    """Return the event of something that is wrong."""
    return {"type": "diagnostic", "diagnostic": plan_json.diagnostic_to_json(found)}


def plan_events(plan: Plan, body: Json) -> Iterator[Json]:
    """Yield the events of a plan: its actions, what is left as it is, notes, and then all of it with its digest."""
    for each in body["actions"]:
        yield {"type": "action-planned", **{name: each[name] for name in _ACTION_KEYS if name in each}}
    yield from ({"type": "pending", "pending": plan_json.blocked_to_json(blocked)} for blocked in plan.blocked)
    yield from (note_event(note) for note in plan.notes)
    yield {"type": "plan-made", "digest": plan_body_digest(body), "body": body}


def note_event(message: str) -> Json:
    """Return the event of something worth knowing."""
    return {"type": "note", "message": message}


def action_event(event: Event) -> Json:
    """Return an event of an apply."""
    error = event.error
    found = error.diagnostics if isinstance(error, UserError) else ()
    message = event.message or ("" if found or error is None else str(error))
    told: dict[str, Json] = {"message": message} if message else {}
    told |= {"diagnostics": [plan_json.diagnostic_to_json(diagnostic) for diagnostic in found]} if found else {}
    return {"type": _EVENT_TYPES[event.progress], **_action_fields(event.action), **told}


def run_event(run: Run) -> Json:
    """Return the event of how a run stands."""
    return {"type": "run", "run": run.id, "job": str(run.address), "status": str(run.status), "backend": run.backend}


def _action_fields(action: Action) -> dict[str, Json]:
    version = {"version": action.version} if action.version else {}
    named = {"key": str(action.key), "action": str(action.op), "address": str(action.address)}
    return {**named, **version, "sentence": action_sentence(action)}
