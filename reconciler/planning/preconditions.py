"""The read set of a plan: the records that its actions follow from, each with a mark that moves when the record does.

A plan is stale when an entry of its read set moved, never because a ref did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.model import Action, Address, Record, State
from reconciler.planning.fingerprint import json_digest

_DIGEST_LENGTH = 12


def record_etag(record: Record | None) -> str:
    """Return the mark of a record, "" where there is none: in words what is current, and a digest of the rest.

    It moves with all that a decision may follow from, and with nothing else.
    """
    if record is None:
        return ""
    identity: list[str | bool] = [record.fingerprint, record.metadata, record.version, record.run, record.latest]
    identity += [record.archived, record.protected, record.realised.get("backend", "")]
    current = f"version {record.version}" if record.version else f"run {record.run}" if record.run else "there"
    return f"{current}{', archived' if record.archived else ''} #{json_digest(identity)[:_DIGEST_LENGTH]}"


def describe_etag(was: str) -> str:
    """Write a mark for a person."""
    return was.partition(" #")[0] or "not there"


def collect_preconditions(actions: Iterable[Action], live: State) -> Mapping[str, str]:
    """Return the marks of what the actions change and of what that references."""
    found = {address for action in actions for address in _addresses_read_by(action)}
    return {str(address): record_etag(live.current.get(address)) for address in sorted(found)}


def _addresses_read_by(action: Action) -> Iterator[Address]:
    yield action.address
    if action.moved_from is not None:
        yield action.moved_from
    if action.resolved is not None:
        yield from (reference.address for reference in action.resolved.asset.references)
