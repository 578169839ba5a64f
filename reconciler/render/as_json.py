"""What programs read: the same values as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from reconciler.diagnostics import Diagnostic
from reconciler.model import Action, Asset, Event, Json, Pending, Plan, Record, Run
from reconciler.render.fields import changes
from reconciler.render.phrases import sentence


def dump(value: Json) -> str:
    """Write a JSON value for a program or a person."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def diagnostics(found: Sequence[Diagnostic], files: int) -> Json:
    """Return a validation as one document."""
    return {"files": files, "diagnostics": [_diagnostic(each) for each in found]}


def plan(planned: Plan) -> Json:
    """Return a plan: where it is from, what it does and why."""
    return {
        "format": 1,
        "commit": planned.source.commit,
        "tree": planned.source.tree,
        "dirty": planned.source.dirty,
        "state": planned.state,
        "actions": [action(each) for each in planned.actions],
        "pending": [_pending(each) for each in planned.pending],
        "notes": list(planned.notes),
        "reads": dict(planned.reads),
    }


def action(each: Action) -> Json:
    """Return an action with its reason."""
    return _filled(
        {
            "action": str(each.op),
            "address": str(each.address),
            "version": each.version,
            "sentence": sentence(each),
            "reason": each.reason,
            "changes": list(changes(each)) if each.before is not None else [],
            "known_after": str(each.known_after) if each.known_after else "",
            "run": each.run.id if each.run else "",
            "needs": list(each.needs),
        }
    )


def event(each: Event) -> Json:
    """Return an event of an apply."""
    message = each.message or (str(each.error) if each.error else "")
    found = {"event": str(each.progress), "action": str(each.action.op), "address": str(each.action.address)}
    return _filled({**found, "version": each.action.version, "message": message})


def record(each: Record) -> Json:
    """Return what is live under an address."""
    return _filled(
        {
            "address": str(each.address),
            "version": each.version,
            "archived": each.archived,
            "fingerprint": each.fingerprint,
            "source": each.source,
            "declared_at": each.declared_at,
            "applied_at": each.applied_at,
            "run": each.run,
            "latest": each.latest,
            "references": {pointer: str(found) for pointer, found in each.references.items()},
            "lineage": dict(each.lineage),
            "realised": dict(each.realised),
            "spec": dict(each.spec),
        }
    )


def asset(each: Asset, source: str) -> Json:
    """Return what a file declares."""
    return _filled(
        {
            "address": str(each.address),
            "version": each.version,
            "source": source,
            "references": [reference.text for reference in each.references],
            "spec": dict(each.spec),
        }
    )


def run(each: Run) -> Json:
    """Return a run."""
    return _filled(
        {
            "run": each.id,
            "job": str(each.address),
            "status": str(each.status),
            "attempt": each.attempt,
            "backend": each.backend,
            "failure": each.failure,
            "message": each.message,
            "commit": each.commit,
            "submitted_at": each.submitted_at,
            "started_at": each.started_at,
            "ended_at": each.ended_at,
            "metrics": dict(each.metrics),
            "params": dict(each.params),
            "outputs": dict(each.outputs),
        }
    )


def _diagnostic(each: Diagnostic) -> Json:
    place = each.span
    return {
        "path": place.path if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "severity": str(each.severity),
        "code": each.code,
        "message": each.message,
        "hint": each.hint,
    }


def _pending(each: Pending) -> Json:
    found = {"address": str(each.address), "failed": each.failed, "message": each.message}
    return found | ({"run": each.run.id} if each.run else {})


def _filled(values: dict[str, Any]) -> Json:
    """Leave out what is empty."""
    empty: Iterable[Any] = ("", [], {}, None)
    return {name: value for name, value in values.items() if value not in empty}
