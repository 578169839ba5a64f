"""What happens while planning and applying, as events for programs: one JSON object a line (schemas/event.schema.json).

These are the events without their time, which whoever writes them knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import Action, Event, Json, Plan, Progress, Run
from reconciler.planning.saved import digest
from reconciler.render import as_json
from reconciler.render.phrases import sentence

VERSION = 1

_TYPES: Mapping[Progress, str] = {
    Progress.STARTED: "action-started",
    Progress.MESSAGE: "message",
    Progress.DONE: "action-done",
    Progress.FAILED: "action-failed",
    Progress.SKIPPED: "action-skipped",
    Progress.WAITING: "action-waiting",
    Progress.BARRED: "action-barred",
}
_ABOUT = ("key", "action", "address", "version", "sentence")


def diagnostic(found: Diagnostic) -> Json:
    """Return the event of something that is wrong."""
    return {"type": "diagnostic", "diagnostic": as_json.diagnostic(found)}


def planned(plan: Plan, body: Json) -> Iterator[Json]:
    """Yield the events of a plan: its actions, what is left as it is, notes, and then all of it with its digest."""
    for each in body["actions"]:
        yield {"type": "action-planned", **{name: each[name] for name in _ABOUT if name in each}}
    yield from ({"type": "pending", "pending": as_json.pending(each)} for each in plan.pending)
    yield from (note(each) for each in plan.notes)
    yield {"type": "plan-made", "digest": digest(body), "body": body}


def note(message: str) -> Json:
    """Return the event of something worth knowing."""
    return {"type": "note", "message": message}


def happened(event: Event) -> Json:
    """Return an event of an apply."""
    error = event.error
    found = error.diagnostics if isinstance(error, UserError) else ()
    message = event.message or ("" if found or error is None else str(error))
    told: dict[str, Json] = {"message": message} if message else {}
    told |= {"diagnostics": [as_json.diagnostic(each) for each in found]} if found else {}
    return {"type": _TYPES[event.progress], **_about(event.action), **told}


def standing(run: Run) -> Json:
    """Return the event of how a run stands."""
    return {"type": "run", "run": run.id, "job": str(run.address), "status": str(run.status), "backend": run.backend}


def _about(action: Action) -> dict[str, Json]:
    version = {"version": action.version} if action.version else {}
    named = {"key": action.key, "action": str(action.op), "address": str(action.address)}
    return {**named, **version, "sentence": sentence(action)}
