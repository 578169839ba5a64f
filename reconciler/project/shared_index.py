"""What plans found out of a workspace: kept in this clone, and shared for those that have none."""

from __future__ import annotations

import hashlib
from pathlib import Path

from reconciler.config.config import CONFIG_FILE
from reconciler.git import trees
from reconciler.git.trees import MissingObjectError
from reconciler.model import State
from reconciler.package_files import code_digest
from reconciler.project.session import Session
from reconciler.source import index as indexes
from reconciler.source import index_export
from reconciler.source.index import CacheKey, DependencyIndex
from reconciler.source.index_export import IndexExport
from reconciler.state.snapshot import changed_addresses

_MIN_ASSETS_TO_SHARE = 500  # assets that take longer to read than what was found out about them takes to fetch
_MAX_CHANGED_SHARE = 0.02  # of them may differ before it is shared anew


def cache_key_of(session: Session, live: State) -> CacheKey:
    """Return what findings of a plan of this session would hold for."""
    config = session.tree.entries[session.tree.root + CONFIG_FILE].oid
    key = f"{code_digest()} {config} {session.config.target} {live.lineage} {session.tree.root}"
    return CacheKey(key, session.source.tree, session.workspace.repository.tree_of(live.commit))


def local_index_path(session: Session) -> Path:
    """Return the file of the index: one for each workspace and each of its live states."""
    name = hashlib.sha256(f"{session.tree.root}\0{session.state_store.live_ref}".encode()).hexdigest()[:16]
    return session.workspace.local_folder / "plans" / f"{name}.sqlite"


def open_local_index(session: Session, base: CacheKey) -> DependencyIndex | None:
    """Open the index of this clone; one that has none begins with what is shared."""
    place = local_index_path(session)
    index = indexes.load_index(place, base.settings_key)
    if index is None and (raw := session.state_store.read_published_index()):
        shared = index_export.load_index_export(raw)
        if shared is not None and shared.cache_key.settings_key == base.settings_key:
            save_local_index(session, shared)
            index = indexes.load_index(place, base.settings_key)
    return index


def save_local_index(session: Session, found: IndexExport) -> None:
    """Keep findings for the next plan of this clone."""
    indexes.save_index(local_index_path(session), found.cache_key, found.entries, found.undeclared)


def is_index_worth_sharing(session: Session, live: State) -> bool:
    """Tell whether a clone that knows nothing would save time, and what is shared already does not save it as well."""
    if session.source.dirty or len(live.current) < _MIN_ASSETS_TO_SHARE:
        return False
    shared, base = index_export.read_export_key(session.state_store.read_published_index()), cache_key_of(session, live)
    if shared is None or shared.settings_key != base.settings_key:
        return True
    repository = session.workspace.repository
    try:
        differing = len(trees.changed_modes(repository, shared.tree, base.tree))
        differing += len(changed_addresses(repository, shared.state_tree, base.state_tree))
    except MissingObjectError:
        return True
    return differing > _MAX_CHANGED_SHARE * len(live.current)
