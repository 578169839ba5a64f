"""What follows for one asset, as a value, and the comparison with its record that every decision begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.format.assets import kind_of
from reconciler.model import NOTHING, Action, Json, LocalPath, Node, Op, Pending, Record, Resolved
from reconciler.planning import content
from reconciler.planning.differing import differing
from reconciler.planning.fingerprint import fingerprint, metadata, readable, recomputed
from reconciler.planning.masking import masked
from reconciler.planning.outlook import Outlook, View, needs_of


@dataclass(frozen=True, slots=True)
class Decision:
    """The actions for one asset, what is left pending, and how the asset stands afterwards."""

    outlook: Outlook
    actions: tuple[Action, ...] = ()
    pending: tuple[Pending, ...] = ()


def same(node: Node, record: Record) -> bool:
    """Tell whether the asset is what the record says it is."""
    if record.fingerprint == node.fingerprint:
        return True
    kind = kind_of(node.asset)
    wanted = node.fingerprint and fingerprint(kind, node.asset.spec, node.contents, node.references)
    return recomputed(kind, record) == wanted


def same_metadata(node: Node, record: Record) -> bool:
    """Tell whether the fields that change in place are as the record has them."""
    return metadata(kind_of(node.asset), record.spec) == node.metadata


def action(view: View, op: Op, node: Node, record: Record | None, **details: Any) -> Action:
    """Make an action on an asset, with both sides of its reason and the actions that come first."""
    before, after = _sides(view, node, record, affecting=op is not Op.UPDATE or not (record and same(node, record)))
    needs = (*needs_of(view, node.asset), *details.pop("needs", ()))
    return Action(
        op,
        node.asset.address,
        needs=tuple(dict.fromkeys(needs)),
        before=before,
        after=after,
        touched=_touched(view, node, record) if record else NOTHING,
        node=node,
        record=record,
        known_after=node.known_after,
        **details,
    )


def difference(view: View, node: Node, record: Record) -> str:
    """Say field by field in what an asset is not what is recorded."""
    before, after = _sides(view, node, record, affecting=True)
    return differing(before, after, _touched(view, node, record))


def _sides(view: View, node: Node, record: Record | None, *, affecting: bool) -> tuple[Json, Json]:
    kind = kind_of(node.asset)
    after = readable(kind, node.asset.spec, node.contents, node.references, affecting=affecting)
    if record is None:
        return None, after
    references = {pointer: _said(each, node.references.get(pointer)) for pointer, each in record.references.items()}
    spec = masked(kind, record.spec, view.live.lineage)  # as recorded by a mlgit that did not mask it, too
    return readable(kind, spec, record.contents, references, affecting=affecting), after


def _said(before: Resolved, after: Resolved | None) -> Resolved:
    """Return what a reference was, or what it is where that has the same content: then it is no reason."""
    if after is None or not after.fingerprint:
        return before
    same_thing = (before.fingerprint, before.output, before.path) == (after.fingerprint, after.output, after.path)
    return after if same_thing else before


def _touched(view: View, node: Node, record: Record) -> Mapping[str, tuple[str, ...]]:
    """Name the files that changed behind each path, as far as Git still has what was declared then."""
    changed = [each for each in node.asset.paths if _differs(node, record, each)]
    kept = record.lineage.get("commit", "")
    then = view.tree.at(kept) if changed and kept else None
    if then is None:
        return NOTHING
    return {
        each.pointer: content.differences(content.tracked(then, each.path), content.tracked(view.tree, each.path))
        for each in changed
        if then.exists(each.path)
    }


def _differs(node: Node, record: Record, mention: LocalPath) -> bool:
    before = record.contents.get(mention.pointer)
    return before is not None and before != node.contents[mention.pointer]
