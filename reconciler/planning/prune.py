"""What has left Git: archived or deleted, but only if the branch had seen it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.format.kind import Leaving
from reconciler.format.kinds import kind_named
from reconciler.model import Action, Address, Op, Record
from reconciler.planning.outlook import View

Ancestry = Callable[[str], bool | None]


def prune(view: View, ancestry: Ancestry) -> tuple[tuple[Action, ...], tuple[str, ...]]:
    """Return the actions for what is live and no longer declared, and notes on what was left alone."""
    actions: list[Action] = []
    notes: list[str] = []
    for address, record in sorted(view.live.current.items(), reverse=True):
        if address in view.declared.assets or record.archived:
            continue
        leaving = kind_named(address.kind).leaving
        seen = ancestry(record.declared_at)
        if leaving is Leaving.KEEP:
            notes.append(f"{address} is live and not in Git; it never goes by itself")
        elif seen is None:
            notes.append(f"{address} is not in Git; whether it was here before is unknown in a shallow clone")
        elif not seen:
            notes.append(f"{address} is live, from a commit that this branch has not seen: left alone")
        else:
            actions += _leave(view, address, record, leaving)
    return tuple(actions), tuple(notes)


def _leave(view: View, address: Address, record: Record, leaving: Leaving) -> Iterator[Action]:
    latest = view.live.run(address, record.latest) if record.latest else None
    if latest is not None and latest.status.active:
        yield Action(Op.CANCEL, address, version=latest.id, record=record, run=latest, reason="it has left Git")
    op = Op.DELETE if leaving is Leaving.DELETE else Op.ARCHIVE
    yield Action(op, address, version=record.version, record=record, reason="it has left Git")
