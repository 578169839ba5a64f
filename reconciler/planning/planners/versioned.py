"""Kinds that have versions: registered once, described anew in place, otherwise the next version."""

from __future__ import annotations

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import kind_of
from reconciler.model import Action, Blocked, Op, Record, ResolvedAsset
from reconciler.planning.decision import (
    Decision,
    format_record_diff,
    has_same_fingerprint,
    has_same_metadata,
    make_action,
)
from reconciler.planning.resolve import PlanContext, PlannedState, blocked_reason, is_blocked, planned_state_from_record


def decide_versioned(view: PlanContext, node: ResolvedAsset, record: Record | None) -> Decision:
    """Say what follows for an environment, a data asset, a component, a model."""
    if node.known_after is not None:
        return _decide_known_after(view, node, record)
    version = node.asset.version
    if node.asset.address in view.policy.replace:
        return _register_again(view, node, record)
    if record is not None and not record.archived:
        if has_same_fingerprint(node, record) and version in ("", record.version):
            return _update_in_place(view, node, record)
        if version and version == record.version:
            return _refuse_version_change(view, node, record)
    if version and (older := view.state.find_version(node.asset.address, version)):
        return (
            _update_in_place(view, node, older, op=Op.ADOPT)
            if has_same_fingerprint(node, older)
            else _refuse_version_change(view, node, older)
        )
    version = version or _next_version(view, node, record)
    return _register_new_version(view, node, record, version, reason=_new_version_reason(node, record))


def _register_again(view: PlanContext, node: ResolvedAsset, record: Record | None) -> Decision:
    """Register what was asked for once more, as the next version; a declared version can be registered but once."""
    version = node.asset.version
    there = (record and record.version == version) or view.state.find_version(node.asset.address, version)
    if not version or not there:
        version = version or _next_version(view, node, record)
        reason = "it was asked for again" if record and has_same_fingerprint(node, record) else ""
        return _register_new_version(view, node, record, version, Op.NEW_VERSION, reason)
    message = f"{node.asset.address.format_with_version(version)} is registered already, so it cannot be done anew"
    place = view.declared.documents[node.asset.source].value_span("/version")
    hint = "raise the version, or leave it out to get the next number"
    view.diagnostics.append(Diagnostic("version-immutable", message, place, hint))
    return Decision(PlannedState(version, node.fingerprint))


def _update_in_place(view: PlanContext, node: ResolvedAsset, record: Record, op: Op = Op.UPDATE) -> Decision:
    outlook = PlannedState(record.version, node.fingerprint)
    if op is Op.UPDATE and has_same_metadata(node, record):
        return Decision(outlook)
    done = make_action(view, op, node, record, version=record.version, seq=record.seq)
    return Decision(PlannedState(record.version, node.fingerprint, needs=(done.key,)), (done,))


def _new_version_reason(node: ResolvedAsset, record: Record | None) -> str:
    """Say why there is a version more, where no field of it differs; "" where one does."""
    if record is None or not has_same_fingerprint(node, record):
        return ""
    return "it was archived" if record.archived else f"version {record.version} -> {node.asset.version}"


def _register_new_version(  # noqa: PLR0913, PLR0917 - what is registered, and why
    view: PlanContext, node: ResolvedAsset, record: Record | None, version: str, op: Op | None = None, reason: str = ""
) -> Decision:
    seq = max(record.seq, record.top) + 1 if record else 1
    op = op or (Op.REGISTER if _is_job_output(node) else Op.NEW_VERSION)
    build = _build_actions(view, node, record, version)
    needs = tuple(action.key for action in build)
    new = make_action(view, op, node, record, version=version, seq=seq, needs=needs, reason=reason)
    return Decision(PlannedState(version, node.fingerprint, needs=(*needs, new.key)), (*build, new))


def _build_actions(view: PlanContext, node: ResolvedAsset, record: Record | None, version: str) -> tuple[Action, ...]:
    if not kind_of(node.asset).uses_builder:
        return ()
    return (make_action(view, Op.BUILD, node, record, version=version, reason=f"with {view.policy.config.builder}"),)


def _decide_known_after(view: PlanContext, node: ResolvedAsset, record: Record | None) -> Decision:
    outlook = planned_state_from_record(record, view.state) if record else PlannedState()
    if is_blocked(view, node.asset):
        waiting = Blocked(node.asset.address, blocked_reason(view, node))
        return Decision(PlannedState(outlook.version, known_after=node.known_after, blocked=True), (), (waiting,))
    new = make_action(view, Op.REGISTER, node, record, version=node.asset.version)
    return Decision(PlannedState(node.asset.version, needs=(new.key,), known_after=node.known_after), (new,))


def _is_job_output(node: ResolvedAsset) -> bool:
    """Tell an asset that is made from a job's output: registering it is an advance."""
    return any(reference.output for reference in node.references.values())


def _next_version(view: PlanContext, node: ResolvedAsset, record: Record | None) -> str:
    if record is None:
        return "1"
    number = int(record.version) if record.version.isdigit() else max(record.seq, record.top)
    while view.state.find_version(node.asset.address, str(number + 1)):
        number += 1
    return str(number + 1)


def _refuse_version_change(view: PlanContext, node: ResolvedAsset, record: Record) -> Decision:
    message = f"{node.asset.address.format_with_version(record.version)} is registered already, with other content"
    if said := format_record_diff(view, node, record):
        message = f"{message}: {said}"
    place = view.declared.documents[node.asset.source].value_span("/version")
    hint = "a registered version never changes: raise the version, or leave it out to get the next number"
    view.diagnostics.append(Diagnostic("version-immutable", message, place, hint))
    return Decision(planned_state_from_record(record, view.state))
