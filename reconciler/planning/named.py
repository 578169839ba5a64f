"""Kinds that live under their name alone: created, updated in place, or replaced."""

from __future__ import annotations

from reconciler.format.assets import kind_of
from reconciler.model import Node, Op, Record
from reconciler.planning.decision import Decision, action, same, same_metadata
from reconciler.planning.outlook import Outlook, View


def decide_named(view: View, node: Node, record: Record | None) -> Decision:
    """Say what follows for a workspace, a compute, a datastore and their like."""
    address = node.asset.address
    kind = kind_of(node.asset)
    backend = view.policy.config.backend_of(address.name) if kind.bound else ""
    if record is None or record.archived:
        op, reason = Op.CREATE, f"bound to backend {backend}" if backend else ""
    elif not same(node, record) or address in view.policy.replace:
        op = Op.REPLACE if kind.realises(node.asset.spec) else Op.UPDATE
        reason = "it was asked for again" if same(node, record) else ""
    elif backend != (bound := record.realised.get("backend", "")):
        op, reason = Op.UPDATE, f"backend {bound or 'none'} -> {backend or 'none'}"
    elif not same_metadata(node, record):
        op, reason = Op.UPDATE, ""
    else:
        return Decision(Outlook(fingerprint=node.fingerprint))
    done = action(view, op, node, record, reason=reason)
    return Decision(Outlook(fingerprint=node.fingerprint, needs=(done.key,)), (done,))
