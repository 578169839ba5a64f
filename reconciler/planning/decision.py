"""What follows for one asset, as a value, and the comparison with its record that every decision begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.abbreviation import join_some
from reconciler.format.assets import kind_of
from reconciler.model import (
    EMPTY_MAPPING,
    Action,
    Blocked,
    Json,
    LocalPath,
    Op,
    Record,
    ResolvedAsset,
    ResolvedReference,
)
from reconciler.planning import content
from reconciler.planning.diff import diff_fields
from reconciler.planning.fingerprint import asset_fingerprint, metadata_digest, readable_fields, recompute_fingerprint
from reconciler.planning.resolve import PlanContext, PlannedState, required_action_keys
from reconciler.secrets.redact import redact_spec


@dataclass(frozen=True, slots=True)
class Decision:
    """The actions for one asset, what is left pending, and how the asset stands afterwards."""

    planned_state: PlannedState
    actions: tuple[Action, ...] = ()
    blocked: tuple[Blocked, ...] = ()


def has_same_fingerprint(node: ResolvedAsset, record: Record) -> bool:
    """Tell whether the asset is what the record says it is."""
    if record.fingerprint == node.fingerprint:
        return True
    kind = kind_of(node.asset)
    wanted = node.fingerprint and asset_fingerprint(kind, node.asset.spec, node.contents, node.references)
    return recompute_fingerprint(kind, record) == wanted


def has_same_metadata(node: ResolvedAsset, record: Record) -> bool:
    """Tell whether the fields that change in place are as the record has them."""
    return metadata_digest(kind_of(node.asset), record.spec) == node.metadata


def make_action(view: PlanContext, op: Op, node: ResolvedAsset, record: Record | None, **details: Any) -> Action:
    """Make an action on an asset, with both sides of its reason and the actions that come first."""
    before, after = _before_and_after(
        view, node, record, affecting=op is not Op.UPDATE or not (record and has_same_fingerprint(node, record))
    )
    needs = (*required_action_keys(view, node.asset), *details.pop("needs", ()))
    return Action(
        op,
        node.asset.address,
        needs=tuple(dict.fromkeys(needs)),
        before=before,
        after=after,
        changed_files=_changed_files(view, node, record) if record else EMPTY_MAPPING,
        resolved=node,
        record=record,
        known_after=node.known_after,
        **details,
    )


def format_record_diff(view: PlanContext, node: ResolvedAsset, record: Record) -> str:
    """Say field by field in what an asset is not what is recorded."""
    before, after = _before_and_after(view, node, record, affecting=True)
    return join_some([str(change) for change in diff_fields(before, after, _changed_files(view, node, record))])


def _before_and_after(
    view: PlanContext, node: ResolvedAsset, record: Record | None, *, affecting: bool
) -> tuple[Json, Json]:
    kind = kind_of(node.asset)
    after = readable_fields(kind, node.asset.spec, node.contents, node.references, affecting=affecting)
    if record is None:
        return None, after
    references = {
        pointer: _ignore_equal_content(reference, node.references.get(pointer))
        for pointer, reference in record.references.items()
    }
    spec = redact_spec(
        kind.secret_fields, record.spec, view.state.lineage
    )  # as recorded by a mlgit that did not mask it, too
    return readable_fields(kind, spec, record.contents, references, affecting=affecting), after


def _ignore_equal_content(before: ResolvedReference, after: ResolvedReference | None) -> ResolvedReference:
    """Return what a reference was, or what it is where that has the same content: then it is no reason."""
    if after is None or not after.fingerprint:
        return before
    same_thing = (before.fingerprint, before.output, before.path) == (after.fingerprint, after.output, after.path)
    return after if same_thing else before


def _changed_files(view: PlanContext, node: ResolvedAsset, record: Record) -> Mapping[str, tuple[str, ...]]:
    """Name the files that changed behind each path, as far as Git still has what was declared then."""
    changed = [local_path for local_path in node.asset.paths if _has_changed_content(node, record, local_path)]
    kept = record.lineage.get("commit", "")
    then = view.tree.tree_at_commit(kept) if changed and kept else None
    if then is None:
        return EMPTY_MAPPING
    return {
        local_path.pointer: content.changed_files(
            content.tracked_content(then, local_path.path), content.tracked_content(view.tree, local_path.path)
        )
        for local_path in changed
        if then.exists(local_path.path)
    }


def _has_changed_content(node: ResolvedAsset, record: Record, mention: LocalPath) -> bool:
    before = record.contents.get(mention.pointer)
    return before is not None and before != node.contents[mention.pointer]
