"""What plans found out of a workspace: kept in this clone, and shared for those that have none."""

from __future__ import annotations

import hashlib
from pathlib import Path

from reconciler.data import code
from reconciler.format.config import FILE
from reconciler.git import trees
from reconciler.git.trees import MissingObjectError
from reconciler.live.reading import touched
from reconciler.model import Live
from reconciler.source import index as indexes
from reconciler.source import portable
from reconciler.source.index import Base, Index
from reconciler.source.portable import Findings
from reconciler.workbench.session import Session

_WORTH = 500  # assets that take longer to read than what was found out about them takes to fetch
_SHARE = 0.02  # of them may differ before it is shared anew


def base_of(session: Session, live: Live) -> Base:
    """Return what findings of a plan of this session would hold for."""
    config = session.tree.entries[session.tree.root + FILE].oid
    key = f"{code()} {config} {session.config.target} {live.lineage} {session.tree.root}"
    return Base(key, session.source.tree, session.workspace.repository.tree_of(live.commit))


def place_of(session: Session) -> Path:
    """Return the file of the index: one for each workspace and each of its live states."""
    name = hashlib.sha256(f"{session.tree.root}\0{session.state.ref}".encode()).hexdigest()[:16]
    return session.workspace.local / "plans" / f"{name}.sqlite"


def known(session: Session, base: Base) -> Index | None:
    """Open the index of this clone; one that has none begins with what is shared."""
    place = place_of(session)
    index = indexes.load(place, base.key)
    if index is None and (raw := session.state.published()):
        shared = portable.load(raw)
        if shared is not None and shared.base.key == base.key:
            keep(session, shared)
            index = indexes.load(place, base.key)
    return index


def keep(session: Session, found: Findings) -> None:
    """Keep findings for the next plan of this clone."""
    indexes.save(place_of(session), found.base, found.rows, found.loose)


def is_worth_sharing(session: Session, live: Live) -> bool:
    """Tell whether a clone that knows nothing would save time, and what is shared already does not save it as well."""
    if session.source.dirty or len(live.current) < _WORTH:
        return False
    shared, base = portable.head(session.state.published()), base_of(session, live)
    if shared is None or shared.key != base.key:
        return True
    repository = session.workspace.repository
    try:
        differing = len(trees.modes(repository, shared.tree, base.tree))
        differing += len(touched(repository, shared.state, base.state))
    except MissingObjectError:
        return True
    return differing > _SHARE * len(live.current)
