"""What the named entries of an object store name: contents that are kept for reuse, runs of drivers, memos."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from reconciler.engine.driver.events import CANCELS, EVENTS, GRAPHS, RESULTS
from reconciler.engine.driver.reuse import REUSE
from reconciler.engine.fetched import FETCHED
from reconciler.engine.staged import STAGED
from reconciler.model.object_store import ObjectStore
from reconciler.project.known_states import STATES
from reconciler.state.recorded_keys import find_keys

_REMOVAL_ORDER = (RESULTS, EVENTS, CANCELS, GRAPHS)  # what is left of a run is always one as it was before


class DriverEntries(NamedTuple):
    """The entries of a run of a pipeline or a sweep: its token, their names, its graph, and all keys that they name.

    The names are in the order of their removal.
    """

    token: str
    entries: tuple[str, ...]
    graph: str
    keys: frozenset[str]


@dataclass(slots=True)
class StoreEntries:
    """The keys that entries name. ``memos`` are entries of what can be stored again, with the key that each names.

    ``reusable`` are the entries that are kept for some days after the last use of what they name, by group and name.
    """

    reusable: dict[str, dict[str, frozenset[str]]] = field(default_factory=lambda: {REUSE: {}, FETCHED: {}})
    others: set[str] = field(default_factory=set)
    memos: dict[str, str] = field(default_factory=dict)
    runs: list[DriverEntries] = field(default_factory=list)


def read_store_entries(store: ObjectStore) -> StoreEntries:
    """Return what all entries of a store name, of whatever group; one that goes meanwhile is left out."""
    entries, by_token = StoreEntries(), dict[str, dict[str, frozenset[str]]]()
    for name in store.list(""):
        group, _, rest = name.partition("/")
        raw = store.read(name) if group != STATES else None
        keys = find_keys(raw) if raw is not None else frozenset()
        if group in _REMOVAL_ORDER:
            by_token.setdefault(rest.partition(".")[0], {})[name] = keys
        elif group == STAGED:
            entries.memos |= dict.fromkeys([name], next(iter(keys), ""))
        elif group in entries.reusable:
            entries.reusable[group][name] = keys
        else:
            entries.others.update(keys)
    entries.runs = [_driver_entries(token, keys_by_name) for token, keys_by_name in by_token.items()]
    return entries


def _driver_entries(token: str, keys_by_name: dict[str, frozenset[str]]) -> DriverEntries:
    names = sorted(keys_by_name, reverse=True)  # the last event first
    names.sort(key=lambda name: _REMOVAL_ORDER.index(name.partition("/")[0]))
    graphs = keys_by_name.get(f"{GRAPHS}/{token}", frozenset())
    return DriverEntries(token, tuple(names), next(iter(graphs), ""), frozenset().union(*keys_by_name.values()))
