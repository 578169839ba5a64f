"""Who is about to change what: what a holder changes it claims for itself, what that references it shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.model.assets import EMPTY_MAPPING, Address, Json


@dataclass(frozen=True, slots=True)
class Lock:
    """What one holder has claimed, and who it is.

    ``process`` tells on its own machine whether the holder has ended; ``ci`` is the address of the CI run, if it is
    one. ``intents`` name the external effects that it is about to have: run, token, backend and attempt of each.
    """

    holder: str
    user: str
    host: str
    since: str
    commit: str = ""
    ci: str = ""
    process: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    exclusive: frozenset[Address] = frozenset()
    shared: frozenset[Address] = frozenset()
    intents: tuple[Mapping[str, Json], ...] = ()

    def __str__(self) -> str:
        where = f" ({self.ci})" if self.ci else ""
        return f"{self.user} on {self.host}{where}, since {self.since}"

    def conflicts_with(self, exclusive: Iterable[Address], shared: Iterable[Address]) -> bool:
        """Tell whether somebody else may not change ``exclusive`` and read ``shared`` while this claim stands."""
        return any(address in self.exclusive or address in self.shared for address in exclusive) or any(
            address in self.exclusive for address in shared
        )
