"""Planner for kinds without versions: created, updated in place, or replaced."""

from __future__ import annotations

from reconciler.format.assets import kind_of
from reconciler.model import Blocked, Op, Record, ResolvedAsset
from reconciler.planning.decision import Decision, has_same_fingerprint, has_same_metadata, make_action
from reconciler.planning.planners.resource import decide_resource, find_held_back_settings
from reconciler.planning.resolve import PlanContext, PlannedState, blocked_reason, is_blocked

_WRITE_BACK_HINT = "write them into its file first (`mlgit ci drift --write`), or set drift: repair"


def decide_singleton(context: PlanContext, resolved: ResolvedAsset, record: Record | None) -> Decision:
    """Return the decision about a workspace, a compute, a datastore or the like."""
    address = resolved.asset.address
    if resolved.known_after is not None and is_blocked(context, resolved.asset):
        blocked = Blocked(address, blocked_reason(context, resolved))
        return Decision(PlannedState(known_after=resolved.known_after, blocked=True), (), (blocked,))
    kind = kind_of(resolved.asset)
    backend = context.plan_options.config.backend_of(address.name) if kind.uses_backend else ""
    if pending := decide_resource(context, resolved, record):
        op, reason = pending
    elif record is None or record.archived:
        provider = context.plan_options.config.providers.get(address.kind, {}).get("type", "")
        made_by = f"made by provider {provider}" if provider else ""
        op, reason = Op.CREATE, made_by or (f"bound to backend {backend}" if backend else "")
    elif not has_same_fingerprint(resolved, record) or address in context.plan_options.replace:
        has_provider = address.kind in context.plan_options.config.providers
        op = Op.REPLACE if has_provider or kind.is_supported(resolved.asset.spec) else Op.UPDATE
        reason = "it was requested again" if has_same_fingerprint(resolved, record) else ""
    elif backend != (recorded_backend := record.realised.get("backend", "")):
        op, reason = Op.UPDATE, f"backend {recorded_backend or 'none'} -> {backend or 'none'}"
    elif not has_same_metadata(resolved, record):
        op, reason = Op.UPDATE, ""
    else:
        return Decision(PlannedState(fingerprint=resolved.fingerprint))
    if settings := find_held_back_settings(context, resolved, record):
        blocked = Blocked(address, f"is not changed: its provider has other settings ({settings}); {_WRITE_BACK_HINT}")
        return Decision(PlannedState(fingerprint=resolved.fingerprint), (), (blocked,))
    action = make_action(context, op, resolved, record, reason=reason)
    return Decision(PlannedState(fingerprint=resolved.fingerprint, needs=(action.key,)), (action,))
