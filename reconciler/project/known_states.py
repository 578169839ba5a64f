"""The live states that share an object store: each is a named entry of it, so that `mlgit gc` finds what they need.

A state of one clone is registered with its folder, for each clone. One that a remote shares is registered once, and
read in any clone after a fetch.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from reconciler.diagnostics import UserError, user_error
from reconciler.model.object_store import ObjectStore
from reconciler.project.state_session import StateSession
from reconciler.state.process import host_name

STATES = "states"
_PLAIN_LINEAGE = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")
_PLACE_LENGTH = 12


class KnownState(NamedTuple):
    """A live state, and where one of its clones is: the machine and the Git folder, with the name of its remote."""

    entry: str
    lineage: str
    name: str
    target: str
    host: str
    folder: str
    remote: str

    def __str__(self) -> str:
        return f"{self.name} (target {self.target}) of {self.folder} on {self.host}"


def register_state(session: StateSession, store: ObjectStore) -> None:
    """Register the live state of a session in the store, unless it is; what has no record yet needs nothing.

    A store that does not answer now is told by a later command: what is stored meanwhile is young.
    """
    if session.config.has_store(host_name()) and session.state_store.head_commit():
        with suppress(UserError):
            _register(store, _own_state(session))


def register_clone(session: StateSession, store: ObjectStore) -> None:
    """Register this clone of the live state of a session, for what has no other clone at hand."""
    if session.state_store.head_commit() and store.find_id():
        state = _own_state(session)
        with suppress(UserError):
            store.create(state.entry, _encode(state))


def _register(store: ObjectStore, state: KnownState) -> None:
    if state.remote and store.list(_prefix(state.lineage)):
        return
    store.create(state.entry, _encode(state))


def _encode(state: KnownState) -> bytes:
    return json.dumps({name: value for name, value in state._asdict().items() if name != "entry"}).encode()


def _own_state(session: StateSession) -> KnownState:
    config, host, folder = session.config, host_name(), str(session.workspace.repository.common)
    place = hashlib.sha256(f"{host}\n{folder}".encode()).hexdigest()[:_PLACE_LENGTH]
    entry = f"{_prefix(config.lineage)}{place}"
    return KnownState(entry, config.lineage, config.state, config.target, host, folder, config.remote)


def _prefix(lineage: str) -> str:
    is_plain = _PLAIN_LINEAGE.fullmatch(lineage) is not None
    return f"{STATES}/{lineage if is_plain else hashlib.sha256(lineage.encode()).hexdigest()}."


def is_here(state: KnownState, session: StateSession) -> bool:
    """Return True if a state is in the repository of a session, whatever its target."""
    return (state.host, state.folder) == (host_name(), str(session.workspace.repository.common))


def list_states(store: ObjectStore) -> Iterator[KnownState]:
    """Yield all registered states. Raises UserError ``store-entry-damaged`` for an entry that cannot be read."""
    for entry in store.list(f"{STATES}/"):
        raw = store.read(entry)
        if raw is not None:
            yield _decode(store, entry, raw)


def _decode(store: ObjectStore, entry: str, raw: bytes) -> KnownState:
    names = [name for name in KnownState._fields if name != "entry"]
    try:
        document = json.loads(raw)
        values = {name: document[name] for name in names}
        if not all(isinstance(value, str) for value in values.values()):
            raise TypeError(values)  # noqa: TRY301 - it is reported like the others
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        message = (
            f"the entry {entry} of the store at {store.location} is damaged: which live state needs what is not known"
        )
        hint = "put it back from a copy of the store, or remove it: the next apply of that state writes it again"
        raise user_error("store-entry-damaged", message, hint) from error
    return KnownState(entry, **values)


def forget_states(store: ObjectStore, lineage: str) -> list[KnownState]:
    """Remove the registrations of a live state, given its lineage; return them. Raises UserError ``state-unknown``."""
    states = list(list_states(store))
    forgotten = [state for state in states if state.lineage == lineage]
    if not forgotten:
        hint = f"those that it knows: {', '.join(sorted({state.lineage for state in states})) or 'none'}"
        raise user_error("state-unknown", f"the store at {store.location} knows no live state {lineage}", hint)
    for state in forgotten:
        store.delete(state.entry)
    return forgotten


def is_readable_here(state: KnownState) -> bool:
    """Return True if a state may be read in its folder: what only that clone has is on its machine alone."""
    return Path(state.folder).is_dir() and (bool(state.remote) or state.host == host_name())
