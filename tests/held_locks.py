"""A lock on the live state of the small workspace, held as an apply of another machine does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from reconciler.git.repository import Repository
from reconciler.model import Lock, parse_address
from reconciler.state.lease import acquire_lock
from reconciler.state.lease_observations import open_lease_observations
from reconciler.state.store import StateStore


@contextmanager
def locked(repository: Repository, *, exclusive: Iterable[str] = (), shared: Iterable[str] = ()) -> Iterator[None]:
    """Hold a lock on addresses within the block."""
    store = StateStore(repository, "small", "1" * 32)
    lock = Lock(
        "0" * 12,
        "ada",
        "elsewhere",
        "2026-01-01T00:00:00Z",
        exclusive=frozenset(map(parse_address, exclusive)),
        shared=frozenset(map(parse_address, shared)),
    )
    held = acquire_lock(store.ref_store, open_lease_observations(store, 300), lambda _others: lock).held_lock
    assert held is not None
    yield
    held.release()
