"""The preconditions of a plan: the records that its actions follow from, each with an etag.

A plan is stale if a record of its preconditions has another etag, not if a ref moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.model import Action, Address, Record, State
from reconciler.planning.fingerprint import json_digest

_DIGEST_LENGTH = 12


def record_etag(record: Record | None) -> str:
    """Return the etag of a record, "" if there is none: its current version or run, and a digest of the rest.

    It changes with everything that a decision may follow from, and with nothing else.
    """
    if record is None:
        return ""
    identity: list[str | bool] = [record.fingerprint, record.metadata, record.version, record.run, record.latest]
    identity += [record.archived, record.protected, record.realised.get("backend", "")]
    current = f"version {record.version}" if record.version else f"run {record.run}" if record.run else "there"
    return f"{current}{', archived' if record.archived else ''} #{json_digest(identity)[:_DIGEST_LENGTH]}"


def describe_etag(etag: str) -> str:
    """Return an etag as a person reads it, without the digest."""
    return etag.partition(" #")[0] or "not there"


def collect_preconditions(actions: Iterable[Action], state: State) -> Mapping[str, str]:
    """Return the etags of what the actions change and of what that references, by address."""
    addresses = {address for action in actions for address in _addresses_read_by(action)}
    return {str(address): record_etag(state.current.get(address)) for address in sorted(addresses)}


def _addresses_read_by(action: Action) -> Iterator[Address]:
    yield action.address
    if action.moved_from is not None:
        yield action.moved_from
    if action.resolved is not None:
        yield from (reference.address for reference in action.resolved.asset.references)
