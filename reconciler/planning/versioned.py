"""Kinds that have versions: registered once, described anew in place, otherwise the next version."""

from __future__ import annotations

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import kind_of
from reconciler.model import Action, Node, Op, Pending, Record
from reconciler.planning.decision import Decision, action, difference, same, same_metadata
from reconciler.planning.outlook import Outlook, View, outlook_of, stuck, waits


def decide_versioned(view: View, node: Node, record: Record | None) -> Decision:
    """Say what follows for an environment, a data asset, a component, a model."""
    if node.known_after is not None:
        return _known_later(view, node, record)
    version = node.asset.version
    if node.asset.address in view.policy.replace:
        return _anew(view, node, record)
    if record is not None and not record.archived:
        if same(node, record) and version in ("", record.version):
            return _in_place(view, node, record)
        if version and version == record.version:
            return _immutable(view, node, record)
    if version and (older := view.live.version(node.asset.address, version)):
        return _in_place(view, node, older, op=Op.ADOPT) if same(node, older) else _immutable(view, node, older)
    version = version or _next_version(view, node, record)
    return _new_version(view, node, record, version, reason=_why(node, record))


def _anew(view: View, node: Node, record: Record | None) -> Decision:
    """Register what was asked for once more, as the next version; a declared version can be registered but once."""
    version = node.asset.version
    there = (record and record.version == version) or view.live.version(node.asset.address, version)
    if not version or not there:
        version = version or _next_version(view, node, record)
        reason = "it was asked for again" if record and same(node, record) else ""
        return _new_version(view, node, record, version, Op.NEW_VERSION, reason)
    message = f"{node.asset.address.at(version)} is registered already, so it cannot be done anew"
    place = view.declared.documents[node.asset.source].value("/version")
    hint = "raise the version, or leave it out to get the next number"
    view.problems.append(Diagnostic("version-immutable", message, place, hint))
    return Decision(Outlook(version, node.fingerprint))


def _in_place(view: View, node: Node, record: Record, op: Op = Op.UPDATE) -> Decision:
    outlook = Outlook(record.version, node.fingerprint)
    if op is Op.UPDATE and same_metadata(node, record):
        return Decision(outlook)
    done = action(view, op, node, record, version=record.version, seq=record.seq)
    return Decision(Outlook(record.version, node.fingerprint, needs=(done.key,)), (done,))


def _why(node: Node, record: Record | None) -> str:
    """Say why there is a version more, where no field of it differs; "" where one does."""
    if record is None or not same(node, record):
        return ""
    return "it was archived" if record.archived else f"version {record.version} -> {node.asset.version}"


def _new_version(  # noqa: PLR0913, PLR0917 - what is registered, and why
    view: View, node: Node, record: Record | None, version: str, op: Op | None = None, reason: str = ""
) -> Decision:
    seq = max(record.seq, record.top) + 1 if record else 1
    op = op or (Op.REGISTER if _derived(node) else Op.NEW_VERSION)
    build = _build(view, node, record, version)
    needs = tuple(each.key for each in build)
    new = action(view, op, node, record, version=version, seq=seq, needs=needs, reason=reason)
    return Decision(Outlook(version, node.fingerprint, needs=(*needs, new.key)), (*build, new))


def _build(view: View, node: Node, record: Record | None, version: str) -> tuple[Action, ...]:
    if not kind_of(node.asset).built:
        return ()
    return (action(view, Op.BUILD, node, record, version=version, reason=f"with {view.policy.config.builder}"),)


def _known_later(view: View, node: Node, record: Record | None) -> Decision:
    outlook = outlook_of(record, view.live) if record else Outlook()
    if stuck(view, node.asset):
        waiting = Pending(node.asset.address, waits(view, node))
        return Decision(Outlook(outlook.version, known_after=node.known_after, stuck=True), (), (waiting,))
    new = action(view, Op.REGISTER, node, record, version=node.asset.version)
    return Decision(Outlook(node.asset.version, needs=(new.key,), known_after=node.known_after), (new,))


def _derived(node: Node) -> bool:
    """Tell an asset that is made from a job's output: registering it is an advance."""
    return any(each.output for each in node.references.values())


def _next_version(view: View, node: Node, record: Record | None) -> str:
    if record is None:
        return "1"
    number = int(record.version) if record.version.isdigit() else max(record.seq, record.top)
    while view.live.version(node.asset.address, str(number + 1)):
        number += 1
    return str(number + 1)


def _immutable(view: View, node: Node, record: Record) -> Decision:
    message = f"{node.asset.address.at(record.version)} is registered already, with other content"
    if said := difference(view, node, record):
        message = f"{message}: {said}"
    place = view.declared.documents[node.asset.source].value("/version")
    hint = "a registered version never changes: raise the version, or leave it out to get the next number"
    view.problems.append(Diagnostic("version-immutable", message, place, hint))
    return Decision(outlook_of(record, view.live))
