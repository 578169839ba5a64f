"""Render the progress of plan and apply as JSON events (schemas/event.schema.json).

The events have no timestamp; the caller that writes them adds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import Action, BuildForecast, Event, Forecast, Json, Plan, Progress, ReuseForecast, Run, StepRun
from reconciler.planning.saved import plan_body_digest
from reconciler.render import plan_json
from reconciler.render.build_forecasts import build_to_json
from reconciler.render.content_changes import tables_to_json
from reconciler.render.sentences import action_sentence
from reconciler.render.step_forecasts import reuse_to_json
from reconciler.secrets.redact import mask_secrets, secret_values

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


def diagnostic_event(diagnostic: Diagnostic) -> Json:
    """Return the event of a diagnostic."""
    return {"type": "diagnostic", "diagnostic": plan_json.diagnostic_to_json(diagnostic)}


def plan_events(plan: Plan, body: Json, forecasts: Iterable[Forecast] = ()) -> Iterator[Json]:
    """Yield the events of a plan: actions, blocked addresses, notes, then the plan body with its digest.

    What the store says of steps, this machine of builds, and what differs in tables, is beside the body.
    """
    for action in body["actions"]:
        yield {"type": "action-planned", **{name: action[name] for name in _ACTION_KEYS if name in action}}
    yield from ({"type": "pending", "pending": plan_json.blocked_to_json(blocked)} for blocked in plan.blocked)
    yield from (note_event(note) for note in plan.notes)
    known = tuple(forecasts)
    beside = {
        "forecast": [reuse_to_json(item) for item in known if isinstance(item, ReuseForecast)],
        "builds": [build_to_json(item) for item in known if isinstance(item, BuildForecast)],
        "tables": tables_to_json(known),
    }
    yield {
        "type": "plan-made",
        "digest": plan_body_digest(body),
        "body": body,
        **{name: items for name, items in beside.items() if items},
    }


def note_event(message: str) -> Json:
    """Return the event of a note."""
    return {"type": "note", "message": message}


def action_event(event: Event) -> Json:
    """Return the event of the progress of an action during apply."""
    error = event.error
    diagnostics = error.diagnostics if isinstance(error, UserError) else ()
    message = event.message or ("" if diagnostics or error is None else str(error))
    details: dict[str, Json] = {"message": message} if message else {}
    details |= (
        {"diagnostics": [plan_json.diagnostic_to_json(diagnostic) for diagnostic in diagnostics]} if diagnostics else {}
    )
    return {"type": _EVENT_TYPES[event.progress], **_action_fields(event.action), **details}


def run_event(run: Run) -> Json:
    """Return the event of the status of a run."""
    return {"type": "run", "run": run.id, "job": str(run.address), "status": str(run.status), "backend": run.backend}


def step_events(run: Run, steps: Iterable[StepRun]) -> Iterator[Json]:
    """Yield the events of the new states of steps of a run."""
    secrets = secret_values(run.spec)
    for step in steps:
        status = {"status": str(step.status), "attempt": step.attempt, "reused_from": step.reused_from}
        message = mask_secrets(step.message, secrets)
        yield {"type": "step", "run": run.id, "job": str(run.address), "step": step.step, **status, "message": message}


def _action_fields(action: Action) -> dict[str, Json]:
    version = {"version": action.version} if action.version else {}
    identity = {"key": str(action.key), "action": str(action.op), "address": str(action.address)}
    return {**identity, **version, "sentence": action_sentence(action)}
