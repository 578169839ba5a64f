"""Render an action as a sentence: the address, the operation and the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.format.kinds import kind_by_name
from reconciler.model import Action, Op, RunStatus
from reconciler.planning.adoption import run_origin
from reconciler.planning.diff import field_changes
from reconciler.planning.refresh import WRITE_AGAIN
from reconciler.render.run_places import run_places_clause, run_places_to_json
from reconciler.render.sanitize import sanitize_line

OP_SIGNS: Mapping[Op, str] = {
    Op.RENAME: "~",
    Op.CREATE: "+",
    Op.NEW_VERSION: "+",
    Op.REGISTER: "+",
    Op.UPDATE: "~",
    Op.REPLACE: "±",
    Op.ARCHIVE: "-",
    Op.DELETE: "-",
    Op.BUILD: ">",
    Op.SUBMIT: ">",
    Op.CANCEL: "-",
    Op.ADOPT: "=",
    Op.REPAIR: "~",
    Op.RECORD: "=",
}


def action_sentence(action: Action) -> str:
    """Return what an action does and why, in one line."""
    return sanitize_line(_SENTENCE_FUNCTIONS[action.op](action))


def finished_sentence(action: Action) -> str:
    """Return what an action has done, in one line: a submitted run has not ended, and a build may be an older one."""
    if action.op is Op.SUBMIT:
        return sanitize_line(f"{action.address}: submitted run {action.version}{_reason_clause(action)}")
    if action.op is Op.BUILD:
        return sanitize_line(f"{action.address}: is built {action.reason}")
    return action_sentence(action)


def _reason_clause(action: Action) -> str:
    reason = action.reason or _join_field_changes(action)
    return f" because {reason}" if reason else ""


def _join_field_changes(action: Action) -> str:
    return ", ".join(map(str, field_changes(action)))


def _rename_sentence(action: Action) -> str:
    return f"{action.address}: rename, was {action.moved_from}"


def _create_sentence(action: Action) -> str:
    reason = f", {action.reason}" if action.reason else ""
    return f"{action.address}: create{reason}{_recorded_only_clause(action)}"


def _recorded_only_clause(action: Action) -> str:
    if action.resolved is None or action.reason:  # the reason names who makes it
        return ""
    kind = kind_by_name(action.address.kind)
    reason = kind.recorded_only_reason(action.resolved.asset.spec)
    if kind.uses_backend:
        reason = "it is bound to no backend"
    return f", recorded only: {reason}" if reason else ""


def _update_sentence(action: Action) -> str:
    reason = action.reason or _join_field_changes(action)
    return f"{action.address.format_with_version(action.version)}: update in place, {reason}"


def _replace_sentence(action: Action) -> str:
    return f"{action.address}: replace{_reason_clause(action)}"


def _new_version_sentence(action: Action) -> str:
    if action.known_after is not None:
        return f"{action.address}: new version{_reason_clause(action)}, known after {action.known_after}"
    if action.record is None:
        return f"{action.address}: version {action.version}"
    return f"{action.address}: new version {action.version}{_reason_clause(action)}"


def _register_sentence(action: Action) -> str:
    run_output = (
        next((reference for reference in action.resolved.references.values() if reference.output), None)
        if action.resolved
        else None
    )
    if action.known_after is not None or run_output is None:
        return _new_version_sentence(action)
    new = "new " if action.record else ""
    other_changes = [str(change) for change in field_changes(action) if change.after != str(run_output)]
    reason = action.reason or ", ".join(other_changes)
    because = f" because {reason}" if reason else ""
    return f"{action.address}: {new}version {action.version} from run {run_output.version}{because}"


def _build_sentence(action: Action) -> str:
    return f"{action.address}: build {action.reason}"


def _submit_sentence(action: Action) -> str:
    places = run_places_clause(run_places_to_json(action.runs_on))
    condition = f", known after {action.known_after}" if action.known_after else ""
    return f"{'new' if action.record else 'first'} run of {action.address}{places}{_reason_clause(action)}{condition}"


def _adopt_sentence(action: Action) -> str:
    if action.run is None:
        return f"{action.address}: adopt version {action.version}, registered before with this content"
    origin = run_origin(action.run)
    source = f" ({origin})" if origin else ""
    run = f"adopt run {action.run.id}{source}, which completed with the same inputs"
    return f"{action.address}: {run}; nothing is submitted"


def _repair_sentence(action: Action) -> str:
    return f"{action.address.format_with_version(action.version)}: repair, {action.reason}"


def _record_sentence(action: Action) -> str:
    if action.reason == WRITE_AGAIN:
        return f"{action.address}: write outputs of run {action.version} again, from the object store to their paths"
    return f"{action.address}: run {action.version} {_RUN_STATUS_PHRASES[action.run.status] if action.run else 'ended'}"


_RUN_STATUS_PHRASES: Mapping[RunStatus, str] = {
    RunStatus.COMPLETED: "completed",
    RunStatus.FAILED: "failed",
    RunStatus.CANCELED: "was canceled",
    RunStatus.LOST: "was lost",
}


def _removal_or_cancel_sentence(action: Action) -> str:
    verb = {Op.CANCEL: "cancel run", Op.ARCHIVE: "archive", Op.DELETE: "delete"}[action.op]
    run = f" {action.version}" if action.op is Op.CANCEL else ""
    condition = f", known after {action.known_after}" if action.known_after else ""
    return f"{action.address}: {verb}{run}{_reason_clause(action)}{condition}"


_SENTENCE_FUNCTIONS: Mapping[Op, Callable[[Action], str]] = {
    Op.RENAME: _rename_sentence,
    Op.CREATE: _create_sentence,
    Op.UPDATE: _update_sentence,
    Op.REPLACE: _replace_sentence,
    Op.NEW_VERSION: _new_version_sentence,
    Op.REGISTER: _register_sentence,
    Op.BUILD: _build_sentence,
    Op.SUBMIT: _submit_sentence,
    Op.ADOPT: _adopt_sentence,
    Op.REPAIR: _repair_sentence,
    Op.RECORD: _record_sentence,
    Op.CANCEL: _removal_or_cancel_sentence,
    Op.ARCHIVE: _removal_or_cancel_sentence,
    Op.DELETE: _removal_or_cancel_sentence,
}
