"""Transfers between a node and the service of a store, by URLs that go over the connection and nowhere else.

What cannot be transferred so goes through this machine, as with a store that grants nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

from reconciler.abbreviation import pluralize
from reconciler.backends._node_answers import read_transfers
from reconciler.backends._node_channel import Channel
from reconciler.diagnostics import UserError
from reconciler.model.grants import Access, Grant
from reconciler.model.notes import write_note
from reconciler.model.object_store import ObjectStore

_SECONDS = 900  # that a URL can be used
_OBJECTS = 256  # of one request to the node
_PAUSE_SECONDS = 600.0  # after a node did not reach a service
MAX_UPLOAD_SIZE = 4 << 30  # services take 5 GB in one request


class GrantedTransfers:
    """The transfers of one machine, which is named in notes; it is not asked for some time after it reached nothing."""

    def __init__(self, machine: str) -> None:
        self._machine = machine
        self._paused_until: dict[str, float] = {}  # by the location of a store

    def fetch(self, channel: Channel, sizes: Mapping[str, int], store: ObjectStore) -> list[str]:
        """Let the node fetch objects of a store, none of which is larger than its number.

        Return those that have to be sent, which a note says the reason of.
        """
        left, reasons = self._transfer(channel, "fetch", Access.READ, sizes, store)
        if reasons:
            self._write_failure("cannot fetch", reasons, store)
        return left

    def upload(self, channel: Channel, sizes: Mapping[str, int], store: ObjectStore) -> Mapping[str, str] | None:
        """Let the node store objects of these sizes; return why it said that it could not, by digest.

        Whether the store has them is for the store to say. None if nothing was tried.
        """
        small = {digest: size for digest, size in sizes.items() if size <= MAX_UPLOAD_SIZE}
        left, reasons = self._transfer(channel, "upload", Access.CREATE, small, store)
        large = sizes.keys() - small.keys()
        if large and self._grant(store, [], Access.CREATE) is not None:
            reasons |= dict.fromkeys(large, "it is larger than a service takes in one request")
        return reasons if reasons or len(left) < len(small) else None

    def explain(self, reasons: Mapping[str, str], store: ObjectStore) -> None:
        """Write a note of objects that go through this machine because the node could not store them."""
        self._write_failure("cannot store", reasons, store)

    def _transfer(
        self, channel: Channel, verb: str, access: Access, sizes: Mapping[str, int], store: ObjectStore
    ) -> tuple[list[str], dict[str, str]]:
        """Return the objects that were not transferred, and why by digest; no reasons if nothing was to be tried."""
        wanted, failed = list(sizes), dict[str, str]()
        while wanted:
            batch, wanted = wanted[:_OBJECTS], wanted[_OBJECTS:]
            grants = self._grant(store, batch, access)
            if grants is None:
                return [*failed, *batch, *wanted], failed
            rows = [[digest, grant.url, dict(grant.headers), sizes[digest]] for digest, grant in grants.items()]
            answer = read_transfers(channel.ask({"do": verb, "objects": rows, "seconds": _SECONDS}), batch)
            if reason := answer.unreachable:
                self._pause(store, f"{self._machine} does not reach the store at {store.location} by itself ({reason})")
                return [*failed, *batch, *wanted], failed
            failed |= answer.failed
            late = answer.late
            if len(late) == len(batch):
                failed |= dict.fromkeys(late, "it takes too long")
            else:
                wanted = late + wanted
        return list(failed), failed

    def _grant(self, store: ObjectStore, digests: list[str], access: Access) -> Mapping[str, Grant] | None:
        """Return requests for objects; None if the store gives none, or the node does not reach it."""
        if time.monotonic() < self._paused_until.get(store.location, 0.0):
            return None
        try:
            return store.grant(digests, access, _SECONDS)
        except UserError as error:
            self._pause(store, f"no URLs for {self._machine} can be made ({error.diagnostics[0].message})")
            return None

    def _pause(self, store: ObjectStore, problem: str) -> None:
        self._paused_until[store.location] = time.monotonic() + _PAUSE_SECONDS
        write_note(f"{problem}: files go through this machine")

    def _write_failure(self, what: str, reasons: Mapping[str, str], store: ObjectStore) -> None:
        reason, _ = Counter(reasons.values()).most_common(1)[0]
        count = pluralize(len(reasons), "file")
        write_note(
            f"{self._machine} {what} {count} at {store.location} by itself ({reason}): "
            f"{'it goes' if len(reasons) == 1 else 'they go'} through this machine"
        )
