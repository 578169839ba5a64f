"""Locks: an apply holds exclusive locks on what it changes and shared locks on what that references."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from reconciler.model.assets import EMPTY_MAPPING, Address, Json


class Lock(NamedTuple):
    """The lock of one holder: what it covers, and who holds it.

    ``process`` shows on the holder's machine if the holder has exited. ``ci`` is the address of its CI run, if it has
    one. ``intents`` are the submissions that it is about to make: run, token, backend and attempt of each.
    """

    holder: str
    user: str
    host: str
    since: str
    commit: str = ""
    ci: str = ""
    process: Mapping[str, Json] = EMPTY_MAPPING
    exclusive: frozenset[Address] = frozenset()
    shared: frozenset[Address] = frozenset()
    intents: tuple[Mapping[str, Json], ...] = ()

    def __str__(self) -> str:
        ci = f" ({self.ci})" if self.ci else ""
        return f"{self.user} on {self.host}{ci}, since {self.since}"

    def conflicts_with(self, exclusive: Iterable[Address], shared: Iterable[Address]) -> bool:
        """Return True if no other process may change ``exclusive`` and read ``shared`` while this lock is held."""
        return any(address in self.exclusive or address in self.shared for address in exclusive) or any(
            address in self.exclusive for address in shared
        )
