"""Planner for kinds with versions: registered once, updated in place, and a new version for other content."""

from __future__ import annotations

from functools import partial

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import kind_of
from reconciler.model import Action, Blocked, Op, Record, ResolvedAsset
from reconciler.planning.builders import backends_of_users
from reconciler.planning.builds import make_build
from reconciler.planning.decision import (
    Decision,
    format_record_diff,
    has_same_fingerprint,
    has_same_metadata,
    make_action,
)
from reconciler.planning.models import model_facts
from reconciler.planning.resolve import PlanContext, PlannedState, blocked_reason, is_blocked, planned_state_from_record


def decide_versioned(context: PlanContext, resolved: ResolvedAsset, record: Record | None) -> Decision:
    """Return the decision about an environment, a data asset, a component or a model."""
    if resolved.known_after is not None:
        return _decide_known_after(context, resolved, record)
    version = resolved.asset.version
    if resolved.asset.address in context.plan_options.replace:
        return _register_again(context, resolved, record)
    if record is not None and not record.archived:
        if has_same_fingerprint(resolved, record) and version in ("", record.version):
            return _update_in_place(context, resolved, record)
        if version and version == record.version:
            return _refuse_version_change(context, resolved, record)
    if version and (older := context.state.find_version(resolved.asset.address, version)):
        return (
            _update_in_place(context, resolved, older, op=Op.ADOPT)
            if has_same_fingerprint(resolved, older)
            else _refuse_version_change(context, resolved, older)
        )
    return _decide_new_version(context, resolved, record)


def _decide_new_version(context: PlanContext, resolved: ResolvedAsset, record: Record | None) -> Decision:
    """Return the registration of a version, or the adoption of the last one if its record was removed (`state rm`)."""
    version = resolved.asset.version
    if record is None and not version and (forgotten := _find_forgotten_version(context, resolved)):
        if has_same_fingerprint(resolved, forgotten):
            return _update_in_place(context, resolved, forgotten, op=Op.ADOPT)
        record = forgotten
    version = version or _next_version(context, resolved, record)
    return _register_new_version(context, resolved, record, version, reason=_new_version_reason(resolved, record))


def _find_forgotten_version(context: PlanContext, resolved: ResolvedAsset) -> Record | None:
    """Return the last numbered version of an asset whose record was removed from the live state, None for none."""
    forgotten, number = None, 1
    while version := context.state.find_version(resolved.asset.address, str(number)):
        forgotten, number = version, number + 1
    return forgotten


def _register_again(context: PlanContext, resolved: ResolvedAsset, record: Record | None) -> Decision:
    """Register what was requested again as the next version; a version that the file gives is registered only once."""
    version = resolved.asset.version
    exists = (record and record.version == version) or context.state.find_version(resolved.asset.address, version)
    if not version or not exists:
        version = version or _next_version(context, resolved, record)
        reason = "it was requested again" if record and has_same_fingerprint(resolved, record) else ""
        return _register_new_version(context, resolved, record, version, Op.NEW_VERSION, reason)
    message = f"{resolved.asset.address.format_with_version(version)} is already registered and cannot be replaced"
    span = context.declared.value_span(resolved.asset, "/version")
    hint = "raise the version, or leave it out to get the next number"
    context.diagnostics.append(Diagnostic("version-immutable", message, span, hint))
    return Decision(PlannedState(version, resolved.fingerprint))


def _update_in_place(context: PlanContext, resolved: ResolvedAsset, record: Record, op: Op = Op.UPDATE) -> Decision:
    if op is Op.UPDATE and has_same_metadata(resolved, record):
        return Decision(PlannedState(record.version, resolved.fingerprint))
    action = make_action(context, op, resolved, record, version=record.version, seq=record.seq)
    return Decision(PlannedState(record.version, resolved.fingerprint, needs=(action.key,)), (action,))


def _new_version_reason(resolved: ResolvedAsset, record: Record | None) -> str:
    """Return why there is a new version although no field differs; "" if one does."""
    if record is None or not has_same_fingerprint(resolved, record):
        return ""
    return "it was archived" if record.archived else f"version {record.version} -> {resolved.asset.version}"


def _register_new_version(  # noqa: PLR0913, PLR0917 - what is registered, and why
    context: PlanContext,
    resolved: ResolvedAsset,
    record: Record | None,
    version: str,
    op: Op | None = None,
    reason: str = "",
) -> Decision:
    seq = max(record.seq, record.top) + 1 if record else 1
    op = op or (Op.REGISTER if _is_job_output(resolved) else Op.NEW_VERSION)
    build = _build_actions(context, resolved, record, version)
    needs = tuple(action.key for action in build)
    details = {"model": model_facts(context.tree, resolved)} if kind_of(resolved.asset).is_model else {}
    action = make_action(context, op, resolved, record, version=version, seq=seq, needs=needs, reason=reason, **details)
    return Decision(PlannedState(version, resolved.fingerprint, needs=(*needs, action.key)), (*build, action))


def _build_actions(
    context: PlanContext, resolved: ResolvedAsset, record: Record | None, version: str
) -> tuple[Action, ...]:
    if not kind_of(resolved.asset).uses_builder:
        return ()
    backends = partial(backends_of_users, context.declared, resolved.asset.address, context.plan_options.config)
    return (make_build(context, resolved, record, version, backends),)


def _decide_known_after(context: PlanContext, resolved: ResolvedAsset, record: Record | None) -> Decision:
    planned = planned_state_from_record(record, context.state) if record else PlannedState()
    if is_blocked(context, resolved.asset):
        blocked = Blocked(resolved.asset.address, blocked_reason(context, resolved))
        return Decision(PlannedState(planned.version, known_after=resolved.known_after, blocked=True), (), (blocked,))
    action = make_action(context, Op.REGISTER, resolved, record, version=resolved.asset.version)
    planned = PlannedState(resolved.asset.version, needs=(action.key,), known_after=resolved.known_after)
    return Decision(planned, (action,))


def _is_job_output(resolved: ResolvedAsset) -> bool:
    """Return True for an asset that is made from a job's output: registering it is an advance."""
    return any(reference.output for reference in resolved.references.values())


def _next_version(context: PlanContext, resolved: ResolvedAsset, record: Record | None) -> str:
    if record is None:
        return "1"
    number = int(record.version) if record.version.isdigit() else max(record.seq, record.top)
    while context.state.find_version(resolved.asset.address, str(number + 1)):
        number += 1
    return str(number + 1)


def _refuse_version_change(context: PlanContext, resolved: ResolvedAsset, record: Record) -> Decision:
    message = (
        f"{resolved.asset.address.format_with_version(record.version)} is already registered with different content"
    )
    if differences := format_record_diff(context, resolved, record):
        message = f"{message}: {differences}"
    span = context.declared.value_span(resolved.asset, "/version")
    hint = "a registered version never changes: raise the version, or leave it out to get the next number"
    context.diagnostics.append(Diagnostic("version-immutable", message, span, hint))
    return Decision(planned_state_from_record(record, context.state))
