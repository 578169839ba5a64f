"""What has left Git: archived or deleted, but only if the branch had seen it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.format.assets import Declared
from reconciler.format.kind import Leaving
from reconciler.format.kinds import kind_named, kinds
from reconciler.model import LEFT, Action, Address, Live, Op, Record
from reconciler.planning.observed import unfinished_of
from reconciler.planning.outlook import View
from reconciler.planning.superseding import cancel

Ancestry = Callable[[str], bool | None]


def leaving(declared: Declared, live: Live, ancestry: Ancestry) -> Mapping[Address, Record]:
    """Return what is live, no longer declared, and about to be archived or deleted: the branch had seen it."""
    gone = ((address, record) for address, record in live.current.items() if address not in declared.assets)
    return {
        address: record
        for address, record in gone
        if not record.archived and address not in declared.broken and _goes(address, record, ancestry)
    }


def farewell(record: Record) -> str:
    """Say, as a hint, where to find the file of something that has left Git."""
    file = record.source or "its file"
    return f"bring {file} back (`git log -- {file}`; applied at {record.declared_at[:10]}), or change this reference"


def _goes(address: Address, record: Record, ancestry: Ancestry) -> bool:
    way = kind_named(address.kind).leaving if address.kind in kinds() else Leaving.KEEP
    return way is not Leaving.KEEP and bool(ancestry(record.declared_at))


def prune(view: View, ancestry: Ancestry) -> tuple[tuple[Action, ...], tuple[str, ...]]:
    """Return the actions for what is live and no longer declared, and notes on what was left alone."""
    actions: list[Action] = []
    notes: list[str] = []
    for address, record in sorted(view.live.current.items(), reverse=True):
        if address in view.declared.assets or record.archived:
            continue
        if address.kind not in kinds():
            notes.append(f"{address} is live, of a kind that only a newer mlgit knows: left alone")
            continue
        way = kind_named(address.kind).leaving
        seen = ancestry(record.declared_at)
        if way is Leaving.KEEP:
            notes.append(f"{address} is live and not in Git; it never goes by itself")
        elif seen is None:
            unknown = f"{address} is not in Git; whether it was here before is unknown in a shallow clone: left alone"
            notes.append(f"{unknown} (`git fetch --unshallow`, in CI fetch-depth: 0)")
        elif not seen:
            notes.append(f"{address} is live, from a commit that this branch has not seen: left alone")
        else:
            actions += _leave(view, address, record, way)
    return tuple(actions), tuple(notes)


def _leave(view: View, address: Address, record: Record, way: Leaving) -> Iterator[Action]:
    for run in unfinished_of(view.live, record):
        if run.status.active:
            yield cancel(run, record, LEFT, "it has left Git")
    op = Op.DELETE if way is Leaving.DELETE else Op.ARCHIVE
    yield Action(op, address, version=record.version, record=record, reason="it has left Git")
