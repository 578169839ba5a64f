"""Read all live states that share an object store: those of this repository, and others wherever they can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.diagnostics import Diagnostic, UserError, user_error
from reconciler.git.command import GitError
from reconciler.git.refs import list_refs
from reconciler.git.repository import Repository, open_separate_repository
from reconciler.model.object_store import ObjectStore
from reconciler.project.known_states import KnownState, is_here, is_readable_here, list_states
from reconciler.project.state_session import StateSession
from reconciler.state.recorded_keys import RecordedKeys, UnfinishedRun, read_recorded_keys
from reconciler.state.store import LIVE_REF, StateStore

_REMOTE_REFS = "refs/mlgit-remote/"


@dataclass(slots=True)
class SharingStates:
    """What the states name: those of this repository, all keys of the others, and why some cannot be read."""

    own: RecordedKeys
    others: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    unfinished: list[UnfinishedRun] = field(default_factory=list)
    problems: tuple[Diagnostic, ...] = ()


def read_sharing_states(session: StateSession, store: ObjectStore, since: float) -> SharingStates:
    """Return what all states name that share a store, and their commits since a time, in seconds since 1970.

    Raises UserError if a state of this repository cannot be read, or an entry of the store.
    """
    registered = tuple(list_states(store))
    problems = list(_fetch_own(session, registered))
    own = read_recorded_keys(session.workspace.repository, since)
    states = SharingStates(own, tokens=set(own.tokens), unfinished=list(own.unfinished))
    other_repositories = _Repositories(since)
    by_lineage: dict[str, list[KnownState]] = {}
    for state in registered:
        is_read = state.lineage in own.lineages and (bool(state.remote) or is_here(state, session))
        if not is_read:
            by_lineage.setdefault(state.lineage if state.remote else state.entry, []).append(state)
    for clones in by_lineage.values():
        try:
            keys = _read_first(clones, other_repositories)
        except UserError as error:
            problems += error.diagnostics
        else:
            states.others |= keys.earlier.union(*keys.current.values())
            states.tokens |= keys.tokens
            states.unfinished += keys.unfinished
    states.problems = tuple(problems)
    return states


def _fetch_own(session: StateSession, registered: Iterable[KnownState]) -> Iterator[Diagnostic]:
    """Fetch the states that this repository shares with others; yield why one cannot be fetched."""
    repository, own = session.workspace.repository, session.state_store
    stores = {(own.remote, own.name): own}
    copies = list_refs(repository, _REMOTE_REFS)
    for state in registered:
        remotes = {state.remote} if is_here(state, session) else set()
        suffix = f"/{state.name}/{state.target}/{LIVE_REF}"
        remotes |= {ref.removeprefix(_REMOTE_REFS).removesuffix(suffix) for ref in copies if ref.endswith(suffix)}
        for remote in remotes - {""}:
            stores.setdefault((remote, state.name), _state_store(repository, state, remote))
    for store in stores.values():
        try:
            store.ref_store.fetch()
        except UserError as error:
            yield from error.diagnostics


def _state_store(repository: Repository, state: KnownState, remote: str) -> StateStore:
    return StateStore(repository, state.name, state.lineage, state.target, remote)


def _read_first(clones: list[KnownState], repositories: _Repositories) -> RecordedKeys:
    """Return what a state names, read from the first of its clones that can be; raises UserError for the last."""
    for state in clones[:-1]:
        try:
            return repositories.read(state)
        except UserError:
            continue
    return repositories.read(clones[-1])


class _Repositories:
    """The repositories of other states, each read once, and fetched once for each state that it shares."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._read: dict[tuple[str, str, str], RecordedKeys] = {}

    def read(self, state: KnownState) -> RecordedKeys:
        """Return what all states in the repository of a state name. Raises UserError ``gc-state-unreadable``."""
        key = (state.folder, state.remote, state.name)
        if key not in self._read:
            if not is_readable_here(state):
                raise _unreadable_error(state, "its repository is not on this machine")
            self._read[key] = self._read_repository(state)
        if state.lineage not in self._read[key].lineages:
            raise _unreadable_error(state, "the repository has no such live state any longer")
        return self._read[key]

    def _read_repository(self, state: KnownState) -> RecordedKeys:
        folder = Path(state.folder)
        repository = open_separate_repository(folder, folder)
        try:
            if state.remote:
                _state_store(repository, state, state.remote).ref_store.fetch()
            return read_recorded_keys(repository, self._since)
        except UserError as error:
            raise _unreadable_error(state, error.diagnostics[0].message) from error
        except GitError as error:
            raise _unreadable_error(state, error.stderr.strip() or str(error)) from error
        finally:
            repository.close()


def _unreadable_error(state: KnownState, why: str) -> UserError:
    message = f"the live state {state} uses this store and cannot be read: {why}"
    cure = "run `mlgit gc` in a clone of its repository on this machine" if state.remote else "make it available again"
    hint = f"{cure}; if it is gone for good, run `mlgit gc --forget-state {state.lineage}`"
    return user_error("gc-state-unreadable", message, hint)
