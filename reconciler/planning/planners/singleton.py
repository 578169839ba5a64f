"""Kinds that live under their name alone: created, updated in place, or replaced."""

from __future__ import annotations

from reconciler.format.assets import kind_of
from reconciler.model import Op, Record, ResolvedAsset
from reconciler.planning.decision import Decision, has_same_fingerprint, has_same_metadata, make_action
from reconciler.planning.resolve import PlanContext, PlannedState


def decide_singleton(view: PlanContext, node: ResolvedAsset, record: Record | None) -> Decision:
    """Say what follows for a workspace, a compute, a datastore and their like."""
    address = node.asset.address
    kind = kind_of(node.asset)
    backend = view.policy.config.backend_of(address.name) if kind.uses_backend else ""
    if record is None or record.archived:
        op, reason = Op.CREATE, f"bound to backend {backend}" if backend else ""
    elif not has_same_fingerprint(node, record) or address in view.policy.replace:
        op = Op.REPLACE if kind.is_supported(node.asset.spec) else Op.UPDATE
        reason = "it was asked for again" if has_same_fingerprint(node, record) else ""
    elif backend != (bound := record.realised.get("backend", "")):
        op, reason = Op.UPDATE, f"backend {bound or 'none'} -> {backend or 'none'}"
    elif not has_same_metadata(node, record):
        op, reason = Op.UPDATE, ""
    else:
        return Decision(PlannedState(fingerprint=node.fingerprint))
    done = make_action(view, op, node, record, reason=reason)
    return Decision(PlannedState(fingerprint=node.fingerprint, needs=(done.key,)), (done,))
