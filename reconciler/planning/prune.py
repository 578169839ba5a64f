"""What has left Git: archived or deleted, but only if the branch had seen it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.abbreviation import abbreviate_id
from reconciler.format.assets import AssetSet
from reconciler.format.kind import DeletionPolicy
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import REMOVED_FROM_GIT, Action, Address, Op, Record, State
from reconciler.planning.refresh import unfinished_runs_of
from reconciler.planning.resolve import PlanContext
from reconciler.planning.supersede import make_cancel_action

AncestorCheck = Callable[[str], bool | None]


def find_removals(declared: AssetSet, live: State, ancestry: AncestorCheck) -> Mapping[Address, Record]:
    """Return what is live, no longer declared, and about to be archived or deleted: the branch had seen it."""
    gone = ((address, record) for address, record in live.current.items() if address not in declared.assets)
    return {
        address: record
        for address, record in gone
        if not record.archived and address not in declared.invalid_addresses and _is_removed(address, record, ancestry)
    }


def removal_hint(record: Record) -> str:
    """Say, as a hint, where to find the file of something that has left Git."""
    file = record.source or "its file"
    return f"bring {file} back (`git log -- {file}`; applied at {abbreviate_id(record.declared_at)}), or change this reference"


def _is_removed(address: Address, record: Record, ancestry: AncestorCheck) -> bool:
    way = kind_by_name(address.kind).deletion_policy if address.kind in kinds() else DeletionPolicy.KEEP
    return way is not DeletionPolicy.KEEP and bool(ancestry(record.declared_at))


def plan_removals(view: PlanContext, ancestry: AncestorCheck) -> tuple[tuple[Action, ...], tuple[str, ...]]:
    """Return the actions for what is live and no longer declared, and notes on what was left alone."""
    actions: list[Action] = []
    notes: list[str] = []
    for address, record in sorted(view.state.current.items(), reverse=True):
        if address in view.declared.assets or record.archived:
            continue
        if address.kind not in kinds():
            notes.append(f"{address} is live, of a kind that only a newer mlgit knows: left alone")
            continue
        way = kind_by_name(address.kind).deletion_policy
        seen = ancestry(record.declared_at)
        if way is DeletionPolicy.KEEP:
            notes.append(f"{address} is live and not in Git; it never goes by itself")
        elif seen is None:
            unknown = f"{address} is not in Git; whether it was here before is unknown in a shallow clone: left alone"
            notes.append(f"{unknown} (`git fetch --unshallow`, in CI fetch-depth: 0)")
        elif not seen:
            notes.append(f"{address} is live, from a commit that this branch has not seen: left alone")
        else:
            actions += _removal_actions(view, address, record, way)
    return tuple(actions), tuple(notes)


def _removal_actions(view: PlanContext, address: Address, record: Record, way: DeletionPolicy) -> Iterator[Action]:
    for run in unfinished_runs_of(view.state, record):
        if run.status.is_active:
            yield make_cancel_action(run, record, REMOVED_FROM_GIT, "it has left Git")
    op = Op.DELETE if way is DeletionPolicy.DELETE else Op.ARCHIVE
    yield Action(op, address, version=record.version, record=record, reason="it has left Git")
