"""Destroy: what ``--destroy`` reads of a source is mlgit.yml; the files of the assets may have errors or be edited."""

from __future__ import annotations

from dataclasses import replace

from reconciler.config.config import CONFIG_FILE
from reconciler.format.assets import AssetSet
from reconciler.model import State
from reconciler.planning.plan import DesiredState
from reconciler.project.check import make_desired, report_diagnostics
from reconciler.project.session import Session
from reconciler.source.workspace import tree_at_revision


def session_without_edits(session: Session) -> Session:
    """Return a session at the commit that is checked out, unless mlgit.yml has uncommitted changes or is new."""
    commit, config_file = session.source.commit, f"{session.tree.root}{CONFIG_FILE}"
    if not commit or not session.source.dirty or config_file in session.uncommitted_files():
        return session
    source, tree = tree_at_revision(session.workspace, commit)
    return replace(session, source=source, tree=tree)


def desire_nothing(session: Session, state: State) -> DesiredState:
    """Return a desired state without assets; raise UserError if mlgit.yml cannot be used to apply it."""
    report_diagnostics(session, session.affinity_diagnostics())
    return make_desired(session, AssetSet({}, {}, ()), state)
