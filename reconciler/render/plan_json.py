"""What programs read: the same values as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from reconciler.diagnostics import Diagnostic
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import Action, Asset, Blocked, Json, Op, Plan, Record, Run, Spec
from reconciler.planning.diff import FieldChange, field_changes
from reconciler.planning.policy import Policy
from reconciler.render.impact import Impact, compute_impact
from reconciler.render.sentences import action_sentence
from reconciler.secrets.redact import hide_secrets, redact_spec


def dump_json(value: Json) -> str:
    """Write a JSON value for a program or a person."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def diagnostics_to_json(found: Sequence[Diagnostic], files: int) -> Json:
    """Return a validation as one document."""
    return {"files": files, "diagnostics": [diagnostic_to_json(diagnostic) for diagnostic in found]}


def plan_summary(planned: Plan) -> dict[str, int]:
    """Count what a plan comes to: the numbers of its verdict."""
    failed = sum(blocked.failed for blocked in planned.blocked)
    return {
        "changes": len(planned.actions),
        "decisions": len(planned.decisions),
        "submissions": len(planned.submissions),
        "cancels": len(planned.cancels),
        "waiting": len(planned.blocked) - failed,
        "failed": failed,
        "drift": len(planned.drift),
        "left_out": planned.deselected_count,
    }


def plan_body(planned: Plan, policy: Policy) -> Json:
    """Return a plan as the body of a saved plan: a pure function of what was planned, the same bytes each time."""
    follows = compute_impact(planned.actions)
    return {
        "tree": planned.source.tree,
        "state": {"name": policy.config.state, "lineage": policy.config.lineage, "target": policy.config.target},
        "policy": {
            "select": list(policy.select),
            "exclude": list(policy.exclude),
            "replace": sorted(map(str, policy.replace)),
            "allow_submit": policy.allow_submit,
            "allow_mass_delete": policy.allow_mass_delete,
            "allow_rewind": policy.allow_rewind,
        },
        "summary": plan_summary(planned),
        "actions": [action_to_json(action, follows) for action in planned.actions],
        "pending": [blocked_to_json(blocked) for blocked in planned.blocked],
        "drift": list(planned.drift),
        "notes": list(planned.notes),
        "reads": dict(planned.preconditions),
    }


def action_to_json(each: Action, follows: Impact) -> Json:
    """Return an action with its reason, what decides it, and what follows from it."""
    node, run = each.resolved, each.run
    return {
        "key": str(each.key),
        "action": str(each.op),
        "address": str(each.address),
        "sentence": f"{action_sentence(each)}{follows.indirect_cause_clause(each)}",
    } | _drop_empty(
        {
            "version": each.version,
            "from": str(each.moved_from) if each.moved_from else "",
            "reason": each.reason,
            "changes": [_field_change_to_json(change) for change in field_changes(each)]
            if each.op is not Op.BUILD
            else [],
            "impact": [
                {"address": str(address), "direct": direct} for address, direct in follows.impacted_addresses(each)
            ],
            "fingerprint": node.fingerprint if node else "",
            "references": {pointer: str(found) for pointer, found in node.references.items()} if node else {},
            "known_after": str(each.known_after) if each.known_after else "",
            "run": run.id if run else "",
            "attempt": run.attempt if run else None,
            "backend": run.backend if run else "",
            "needs": list(map(str, each.needs)),
        }
    )


def _field_change_to_json(each: FieldChange) -> Json:
    before = {} if each.change_type == "added" else {"before": each.before}
    after = {} if each.change_type == "removed" else {"after": each.after}
    files = {"files": list(each.files)} if each.files else {}
    return {"field": each.field, "change": each.change_type, **before, **after, **files}


def record_to_json(each: Record) -> Json:
    """Return what is live under an address."""
    return _drop_empty(
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
            "spec": _hide_spec_secrets(each.address.kind, each.spec),
        }
    )


def asset_to_json(each: Asset, source: str) -> Json:
    """Return what a file declares."""
    return _drop_empty(
        {
            "address": str(each.address),
            "version": each.version,
            "source": source,
            "references": [reference.text for reference in each.references],
            "spec": _hide_spec_secrets(each.address.kind, each.spec),
        }
    )


def run_to_json(each: Run) -> Json:
    """Return a run."""
    return _drop_empty(
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


def diagnostic_to_json(each: Diagnostic) -> Json:
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


def blocked_to_json(each: Blocked) -> Json:
    """Return what a plan leaves as it is, and why."""
    found = {"address": str(each.address), "failed": each.failed, "message": each.message}
    return found | ({"run": each.run.id} if each.run else {})


def _drop_empty(values: dict[str, Any]) -> Json:
    """Leave out what is empty."""
    empty: Iterable[Any] = ("", [], {}, None)
    return {name: value for name, value in values.items() if value not in empty}


def _hide_spec_secrets(kind: str, spec: Spec) -> Spec:
    """Return what may be shown of the spec of an asset of a kind, were it one that only a newer mlgit knows."""
    return dict(hide_secrets(redact_spec(kind_by_name(kind).secret_fields, spec, "") if kind in kinds() else spec))
