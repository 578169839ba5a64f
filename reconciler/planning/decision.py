"""A decision about one asset as a value, and the comparison with its record that every decision begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler.abbreviation import join_some
from reconciler.format.assets import kind_of
from reconciler.model import (
    EMPTY_MAPPING,
    Action,
    Blocked,
    ContentChange,
    Json,
    LocalPath,
    Op,
    Record,
    ResolvedAsset,
    ResolvedReference,
    Tree,
)
from reconciler.planning.content import changed_files, content_change, has_content, tracked_content
from reconciler.planning.diff import diff_fields
from reconciler.planning.fingerprint import asset_fingerprint, metadata_digest, readable_fields, recompute_fingerprint
from reconciler.planning.resolve import PlanContext, PlannedState, required_action_keys
from reconciler.secrets.redact import redact_spec


class Decision(NamedTuple):
    """The actions for one asset, what is blocked, and the state of the asset afterwards."""

    planned_state: PlannedState
    actions: tuple[Action, ...] = ()
    blocked: tuple[Blocked, ...] = ()


def has_same_fingerprint(resolved: ResolvedAsset, record: Record) -> bool:
    """Return True if the asset is what the record says, by today's fingerprints."""
    if record.fingerprint == resolved.fingerprint:
        return True
    kind, spec = kind_of(resolved.asset), resolved.asset.spec
    desired = resolved.fingerprint and asset_fingerprint(kind, spec, resolved.contents, resolved.references)
    return recompute_fingerprint(kind, record) == desired


def has_same_metadata(resolved: ResolvedAsset, record: Record) -> bool:
    """Return True if the fields that change in place are as recorded."""
    return metadata_digest(kind_of(resolved.asset), record.spec) == resolved.metadata


def make_action(context: PlanContext, op: Op, resolved: ResolvedAsset, record: Record | None, **details: Any) -> Action:
    """Return an action on an asset, with both sides of the change and the actions that it needs."""
    affecting = op is not Op.UPDATE or not (record and has_same_fingerprint(resolved, record))
    before, after = _before_and_after(context, resolved, record, affecting=affecting)
    if op is Op.REPLACE:  # all of it is made anew, also what alone would be an update
        in_place = _before_and_after(context, resolved, record, affecting=False)
        before, after = {**(in_place[0] or {}), **(before or {})}, {**in_place[1], **after}
    needs = (*required_action_keys(context, resolved.asset), *details.pop("needs", ()))
    return Action(
        op,
        resolved.asset.address,
        needs=tuple(dict.fromkeys(needs)),
        before=before,
        after=after,
        changed_files=_changed_files(context, resolved, record) if record else EMPTY_MAPPING,
        content=_content_change(context, resolved, record) if record else None,
        resolved=resolved,
        record=record,
        known_after=resolved.known_after,
        **details,
    )


def format_record_diff(context: PlanContext, resolved: ResolvedAsset, record: Record) -> str:
    """Return the first fields in which an asset differs from its record, as text."""
    before, after = _before_and_after(context, resolved, record, affecting=True)
    changes = diff_fields(before, after, _changed_files(context, resolved, record))
    return join_some([str(change) for change in changes])


def _before_and_after(
    context: PlanContext, resolved: ResolvedAsset, record: Record | None, *, affecting: bool
) -> tuple[Json, Json]:
    kind = kind_of(resolved.asset)
    after = readable_fields(kind, resolved.asset.spec, resolved.contents, resolved.references, affecting=affecting)
    if record is None:
        return None, after
    references = {
        pointer: ignore_equal_content(reference, resolved.references.get(pointer))
        for pointer, reference in record.references.items()
    }
    # An older mlgit may have recorded the spec before this field was secret.
    spec = redact_spec(kind.secret_fields, record.spec, context.state.lineage)
    return readable_fields(kind, spec, record.contents, references, affecting=affecting), after


def ignore_equal_content(before: ResolvedReference, after: ResolvedReference | None) -> ResolvedReference:
    """Return the new reference if it has the same content, so that it is no difference; else the old one."""
    if after is None or not after.fingerprint:
        return before
    is_equal = (before.fingerprint, before.output, before.path) == (after.fingerprint, after.output, after.path)
    return after if is_equal else before


def _changed_files(context: PlanContext, resolved: ResolvedAsset, record: Record) -> Mapping[str, tuple[str, ...]]:
    """Return the files that changed behind each path, if Git still has the tree that was applied."""
    changed = _changed_paths(resolved, record)
    applied = _applied_tree(context, record) if changed else None
    if applied is None:
        return EMPTY_MAPPING
    return {
        local_path.pointer: changed_files(
            tracked_content(applied, local_path.path), tracked_content(context.tree, local_path.path)
        )
        for local_path in changed
        if has_content(applied, local_path.path)
    }


def _content_change(context: PlanContext, resolved: ResolvedAsset, record: Record) -> ContentChange | None:
    """Return how the files of data changed, if Git still has the tree that was applied; None for anything else."""
    changed = _changed_paths(resolved, record) if kind_of(resolved.asset).is_data else []
    applied = _applied_tree(context, record) if changed else None
    if applied is None or not has_content(applied, changed[0].path):
        return None
    before, after = (tracked_content(tree, changed[0].path) for tree in (applied, context.tree))
    return content_change(context.tree, before, after)


def _changed_paths(resolved: ResolvedAsset, record: Record) -> list[LocalPath]:
    return [local_path for local_path in resolved.asset.paths if _has_changed_content(resolved, record, local_path)]


def _applied_tree(context: PlanContext, record: Record) -> Tree | None:
    """Return the tree that a record was applied from, None if Git does not have it any more."""
    commit = record.lineage.get("commit", "")
    return context.tree.tree_at_commit(commit) if commit else None


def _has_changed_content(resolved: ResolvedAsset, record: Record, local_path: LocalPath) -> bool:
    before = record.contents.get(local_path.pointer)
    return before is not None and before != resolved.contents[local_path.pointer]
