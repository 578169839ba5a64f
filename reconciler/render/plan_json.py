"""Render plans, records, runs and diagnostics as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from reconciler.diagnostics import Diagnostic, Span, place_in_message
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import (
    EMPTY_MAPPING,
    Action,
    Asset,
    Blocked,
    Builds,
    Json,
    Op,
    Plan,
    Record,
    Run,
    Spec,
    run_experiment,
    run_tags,
)
from reconciler.planning.adoption import ADOPTED_FROM
from reconciler.planning.clusters import BINDING
from reconciler.planning.diff import FieldChange, field_changes
from reconciler.planning.fingerprint import declaration_digest
from reconciler.planning.options import PlanOptions
from reconciler.render.build_forecasts import builders_to_json, packages_to_json
from reconciler.render.content_changes import content_to_json
from reconciler.render.impact import Impact, compute_impact
from reconciler.render.run_places import run_places_to_json
from reconciler.render.sentences import action_sentence
from reconciler.render.step_forecasts import forecasts_to_json
from reconciler.secrets.redact import hide_secrets, mask_json_secrets, redact_spec, secret_values
from reconciler.timestamps import seconds_between


def dump_json(value: Json) -> str:
    """Return a value as indented JSON text in ASCII, so that nothing in it is obeyed by a terminal."""
    return json.dumps(value, indent=2, ensure_ascii=True, default=str)


def diagnostics_to_json(diagnostics: Sequence[Diagnostic], files: int) -> Json:
    """Return the diagnostics of a validation as one document."""
    return {"files": files, "diagnostics": [diagnostic_to_json(diagnostic) for diagnostic in diagnostics]}


def plan_summary(plan: Plan) -> dict[str, int]:
    """Return the counts for the summary line of a plan."""
    refused = sum(blocked.is_refused for blocked in plan.blocked)
    failed = sum(blocked.failed for blocked in plan.blocked) - refused
    cannot_run = sum(blocked.cannot_run for blocked in plan.blocked)
    manual = sum(blocked.manual and not blocked.cannot_run for blocked in plan.blocked)
    return {
        "changes": len(plan.actions),
        "decisions": len(plan.decisions),
        "submissions": len(plan.submissions),
        "cancels": len(plan.cancels),
        "waiting": len(plan.blocked) - refused - failed - manual - cannot_run,
        "refused": refused,
        "failed": failed,
        "manual": manual,
        "cannot_run": cannot_run,
        "drift": len(plan.drift),
        "left_out": plan.deselected_count,
    } | ({"destroys": len(plan.removals)} if plan.is_destroy else {})


def plan_body(plan: Plan, plan_options: PlanOptions) -> Json:
    """Return the body of a saved plan: a pure function, so that equal plans have the same digest."""
    impact = compute_impact(plan.actions)
    return {
        "tree": plan.source.tree,
        "state": {
            "name": plan_options.config.state,
            "lineage": plan_options.config.lineage,
            "target": plan_options.config.target,
        },
        "options": {
            "select": list(plan_options.select),
            "exclude": list(plan_options.exclude),
            "replace": sorted(map(str, plan_options.replace)),
            "allow_submit": plan_options.allow_submit,
            "allow_mass_delete": plan_options.allow_mass_delete,
            "allow_rewind": plan_options.allow_rewind,
        }
        | ({"destroy": True} if plan_options.destroy else {}),
        "summary": plan_summary(plan),
        "actions": [action_to_json(action, impact) for action in plan.actions],
        "pending": [blocked_to_json(blocked) for blocked in plan.blocked],
        "drift": list(plan.drift),
        "notes": list(plan.notes),
        "reads": dict(plan.preconditions),
    }


def action_to_json(action: Action, impact: Impact) -> Json:
    """Return an action with its reason, its field changes, its impact, and what a run of it runs on."""
    resolved, run = action.resolved, action.run
    return {
        "key": str(action.key),
        "action": str(action.op),
        "address": str(action.address),
        "sentence": f"{action_sentence(action)}{impact.indirect_cause_clause(action)}",
    } | _drop_empty(
        {
            "version": action.version,
            "from": str(action.moved_from) if action.moved_from else "",
            "reason": action.reason,
            "changes": [_field_change_to_json(change) for change in field_changes(action)]
            if action.op is not Op.BUILD
            else [],
            "impact": [
                {"address": str(address), "direct": direct} for address, direct in impact.impacted_addresses(action)
            ],
            "fingerprint": resolved.fingerprint if resolved else "",
            "references": {pointer: str(reference) for pointer, reference in resolved.references.items()}
            if resolved
            else {},
            "known_after": str(action.known_after) if action.known_after else "",
            "declared": declaration_digest(resolved)
            if resolved and action.known_after and action.op.is_decision
            else "",
            "run": run.id if run else "",
            "attempt": run.attempt if run else None,
            "backend": run.backend if run else "",
            "runs_on": run_places_to_json(action.runs_on),
            "steps": forecasts_to_json(action.steps),
            "builders": builders_to_json(action.builders),
            "packages": packages_to_json(action.packages),
            "model": dict(action.model),
            "content": content_to_json(action.content),
            "needs": list(map(str, action.needs)),
        }
    )


def _field_change_to_json(change: FieldChange) -> Json:
    before = {} if change.change_type == "added" else {"before": change.before}
    after = {} if change.change_type == "removed" else {"after": change.after}
    files = {"files": list(change.files)} if change.files else {}
    return {"field": change.field, "change": change.change_type, **before, **after, **files}


def record_to_json(record: Record, builds: Builds = EMPTY_MAPPING) -> Json:
    """Return a record of the live state, without secrets; of an environment with its builds."""
    return mask_json_secrets(_record_fields(record, builds), secret_values(record.spec))


def _record_fields(record: Record, builds: Builds) -> Json:
    return _drop_empty(
        {
            "address": str(record.address),
            "version": record.version,
            "archived": record.archived,
            "fingerprint": record.fingerprint,
            "recorded_only": recorded_only_reason(record),
            "source": record.source,
            "declared_at": record.declared_at,
            "applied_at": record.applied_at,
            "run": record.run,
            "latest": record.latest,
            "references": {pointer: str(reference) for pointer, reference in record.references.items()},
            "lineage": dict(record.lineage),
            "realised": dict(record.realised),
            "handle": _handle_fields(record),
            "condition": record.condition.to_json() if record.condition else {},
            "builds": {builder: dict(build) for builder, build in builds.items()},
            "spec": _hide_spec_secrets(record.address.kind, record.spec),
        }
    )


def _handle_fields(record: Record) -> Json:
    """Return the handle of a resource, without the settings of a cluster that are shown where it is bound."""
    if record.handle is None:
        return {}
    shown, fields = record.realised.get(BINDING, EMPTY_MAPPING), record.handle.to_json()
    own = {name: value for name, value in record.handle.data.items() if name not in shown or shown[name] != value}
    return _drop_empty({**fields, "data": own})


def recorded_only_reason(record: Record) -> str:
    """Return why an asset is recorded only, "" if a provider realises it; the kind may be a newer mlgit's."""
    if record.address.kind not in kinds() or record.handle is not None:
        return ""
    kind = kind_by_name(record.address.kind)
    is_unbound = kind.uses_backend and not record.realised.get("backend")
    return kind.recorded_only_reason(record.spec) or ("it is bound to no backend" if is_unbound else "")


def asset_to_json(asset: Asset, source: str) -> Json:
    """Return a declared asset, without secrets."""
    return _drop_empty(
        {
            "address": str(asset.address),
            "version": asset.version,
            "source": source,
            "recorded_only": kind_by_name(asset.address.kind).recorded_only_reason(asset.spec),
            "references": [reference.text for reference in asset.references],
            "spec": _hide_spec_secrets(asset.address.kind, asset.spec),
        }
    )


def run_to_json(run: Run) -> Json:
    """Return a run; no secret of its variables is in it, also if the job logged one."""
    return mask_json_secrets(_run_fields(run), secret_values(run.spec))


def _run_fields(run: Run) -> Json:
    return _drop_empty(
        {
            "run": run.id,
            "job": str(run.address),
            "status": str(run.status),
            "attempt": run.attempt,
            "experiment_name": run_experiment(run.spec, run.realised),
            "tags": run_tags(run.spec),
            "experiment": run.experiment or None,
            "adopted_from": dict(run.realised.get(ADOPTED_FROM, {})),
            "backend": run.backend,
            "failure": run.failure,
            "exit_code": run.exit_code,
            "message": run.message,
            "commit": run.commit,
            "submitted_at": run.submitted_at,
            "started_at": run.started_at,
            "ended_at": run.ended_at,
            "duration_seconds": seconds_between(run.started_at, run.ended_at) if run.ended_at else None,
            "metrics": dict(run.metrics),
            "params": dict(run.params),
            "outputs": dict(run.outputs),
        }
    )


def diagnostic_to_json(diagnostic: Diagnostic) -> Json:
    """Return a diagnostic with its position, or nulls if it has none."""
    diagnostic = place_in_message(diagnostic)
    span = diagnostic.span
    return {
        "path": span.path if span else None,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "severity": str(diagnostic.severity),
        "code": diagnostic.code,
        "message": diagnostic.message,
        "hint": "\n".join((diagnostic.hint, *diagnostic.example)),
    } | _drop_empty({"places": [_span_to_json(place) for place in diagnostic.places]})


def _span_to_json(span: Span) -> Json:
    return {"path": span.path, "line": span.line, "column": span.column}


def blocked_to_json(blocked: Blocked) -> Json:
    """Return an address that a plan cannot change now, with the reason."""
    document = {"address": str(blocked.address), "failed": blocked.failed, "message": blocked.message}
    details = {
        "run": blocked.run.id if blocked.run else "",
        "manual": blocked.manual or None,
        "recorded_only": blocked.recorded_only,
        "refusals": list(map(diagnostic_to_json, blocked.refusals)),
    }
    return document | _drop_empty(details)


def _drop_empty(values: dict[str, Any]) -> Json:
    """Return the values without empty ones."""
    empty: Iterable[Any] = ("", [], {}, None)
    return {name: value for name, value in values.items() if value not in empty}


def _hide_spec_secrets(kind: str, spec: Spec) -> Spec:
    """Return a spec without secrets; the kind may be unknown, if a newer mlgit recorded it."""
    return dict(hide_secrets(redact_spec(kind_by_name(kind).secret_fields, spec, "") if kind in kinds() else spec))
