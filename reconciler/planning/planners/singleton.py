"""Planner for kinds without versions: created, updated in place, or replaced."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.config.config import Config
from reconciler.format.assets import kind_of
from reconciler.model import EMPTY_MAPPING, Asset, Blocked, Json, Op, Record, ResolvedAsset
from reconciler.planning.bindings import (
    binding_of,
    datastore_type,
    describe_binding_change,
    has_own_provider,
    makes_another_cluster,
    provider_of,
)
from reconciler.planning.clusters import changes_no_cluster, describe_cluster
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
    config = context.plan_options.config
    binding = binding_of(config, resolved.asset)
    if pending := decide_resource(context, resolved, record):
        op, reason = pending
    elif record is None or record.archived:
        op, reason = Op.CREATE, _creation_reason(config, resolved.asset, binding)
    elif not has_same_fingerprint(resolved, record) or address in context.plan_options.replace:
        is_made = provider_of(config, address) or kind.is_supported(resolved.asset.spec)
        op = Op.REPLACE if is_made and not _is_unused(context, resolved, record) else Op.UPDATE
        reason = "it was requested again" if has_same_fingerprint(resolved, record) else ""
    elif change := describe_binding_change(record.realised, binding):
        op = Op.REPLACE if makes_another_cluster(record.realised, binding) else Op.UPDATE
        reason = change
    elif not has_same_metadata(resolved, record):
        op, reason = Op.UPDATE, ""
    else:
        return Decision(PlannedState(fingerprint=resolved.fingerprint))
    if settings := find_held_back_settings(context, resolved, record):
        blocked = Blocked(address, f"is not changed: its provider has other settings ({settings}); {_WRITE_BACK_HINT}")
        return Decision(PlannedState(fingerprint=resolved.fingerprint), (), (blocked,))
    action = make_action(context, op, resolved, record, reason=reason)
    return Decision(PlannedState(fingerprint=resolved.fingerprint, needs=(action.key,)), (action,))


def _is_unused(context: PlanContext, resolved: ResolvedAsset, record: Record) -> bool:
    """Return True if all that has changed is what a cluster does not use, and no other one was asked for."""
    is_requested = resolved.asset.address in context.plan_options.replace
    return not is_requested and changes_no_cluster(context.check_support, resolved, record)


def _creation_reason(config: Config, asset: Asset, binding: Mapping[str, Json]) -> str:
    """Return who makes an asset, "" if that is no choice of mlgit.yml."""
    if provider := config.providers.get(asset.address.kind, EMPTY_MAPPING).get("type"):
        return f"made by provider {provider}"
    if has_own_provider(config, asset.address.kind):
        bound_type, own_type = datastore_type(config, asset), str(asset.spec.get("type", "")).lower()
        return f"bound to the type {bound_type}" if bound_type != own_type else ""
    bound = f"bound to backend {binding['backend']}" if binding.get("backend") else ""
    return describe_cluster(config, asset) or bound
