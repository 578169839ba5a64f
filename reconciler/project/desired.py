"""The desired state: what a source declares, as planning compares it with the live state."""

from __future__ import annotations

from functools import cache

from reconciler.format.assets import AssetSet
from reconciler.model import SourceRevision, Tree
from reconciler.planning.plan import DesiredState
from reconciler.source.workspace import Workspace


def make_desired(workspace: Workspace, source: SourceRevision, tree: Tree, declared: AssetSet) -> DesiredState:
    """Return the desired state of a source; Git is asked once for each commit whether it is an ancestor."""

    @cache
    def is_ancestor(commit: str) -> bool | None:
        return workspace.repository.is_ancestor(commit, source.commit)

    return DesiredState(source, tree, declared, is_ancestor)
