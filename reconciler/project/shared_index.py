"""The dependency index of a workspace: kept in the local cache, and shared beside the live state for fresh clones.

Invariant: an index is used only with the settings key that it was made with (``cache_key_of``: mlgit.yml, the target,
the live state) and by the code that made it, which the local cache sees to, and the key of a shared index names. It is
used only for what differs from its two trees. So it never has to be invalidated, and a plan comes out the same with any
index, the local one, the shared one or none.
"""

from __future__ import annotations

import hashlib

from reconciler.config.config import CONFIG_FILE
from reconciler.git.trees import MissingObjectError, changed_modes
from reconciler.model import State
from reconciler.package_files import code_digest
from reconciler.project.session import Session
from reconciler.source.cache import Cache
from reconciler.source.index import CacheKey, DependencyIndex, IndexContents, open_index, save_index
from reconciler.source.index_export import dump_index, load_index, load_index_key
from reconciler.state.snapshot import changed_addresses

_MIN_ASSETS_TO_SHARE = 500  # fewer assets are parsed sooner than an index is fetched
_MAX_CHANGED_SHARE = 0.02  # of the assets may differ from a shared index before it is shared anew


def cache_key_of(session: Session, state: State) -> CacheKey:
    """Return the key of an index that is made by a plan of a session."""
    config = session.config_tree.entries[session.tree.root + CONFIG_FILE].oid
    settings = f"{config} {session.config.target} {state.lineage} {session.tree.root}"
    return CacheKey(settings, session.source.tree, session.workspace.repository.tree_of(state.commit))


def open_local_index(session: Session, key: CacheKey) -> DependencyIndex | None:
    """Open the index of this clone; a clone that has none begins with the shared one."""
    index = _open_local_index(session, key)
    if index is None:
        shared = load_index(session.state_store.read_published_index())
        if shared is not None and shared.cache_key.settings_key == _shared_key(key).settings_key:
            save_local_index(
                session, shared._replace(cache_key=shared.cache_key._replace(settings_key=key.settings_key))
            )
            index = _open_local_index(session, key)
    return index


def publish_index(session: Session, contents: IndexContents) -> None:
    """Share an index with other clones."""
    shared = contents._replace(cache_key=_shared_key(contents.cache_key))
    session.state_store.publish_index(dump_index(shared), session.source.tree)


def _shared_key(key: CacheKey) -> CacheKey:
    """Return the key of an index that is shared: it names the code, too."""
    return key._replace(settings_key=f"{code_digest()} {key.settings_key}")


def _open_local_index(session: Session, key: CacheKey) -> DependencyIndex | None:
    return open_index(_local_cache(session), _slot(session), key.settings_key)


def save_local_index(session: Session, contents: IndexContents) -> None:
    """Keep an index for the next plan in this clone."""
    save_index(_local_cache(session), _slot(session), contents)


def _local_cache(session: Session) -> Cache:
    return Cache(session.workspace.local_folder)


def _slot(session: Session) -> str:
    """Return the name of the index in the cache: one for each workspace and each of its live states."""
    return hashlib.sha256(f"{session.tree.root}\0{session.state_store.live_ref}".encode()).hexdigest()[:16]


def is_index_worth_sharing(session: Session, state: State) -> bool:
    """Return True if a fresh clone would save time with an index that it does not save with the one shared before."""
    if session.source.dirty or len(state.current) < _MIN_ASSETS_TO_SHARE:
        return False
    shared, key = load_index_key(session.state_store.read_published_index()), _shared_key(cache_key_of(session, state))
    if shared is None or shared.settings_key != key.settings_key:
        return True
    repository = session.workspace.repository
    try:
        changes = len(changed_modes(repository, shared.tree, key.tree))
        changes += len(changed_addresses(repository, shared.state_tree, key.state_tree))
    except MissingObjectError:
        return True
    return changes > _MAX_CHANGED_SHARE * len(state.current)
