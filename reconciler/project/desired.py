"""The desired state of a workspace: what its source declares, as planning compares it with the live state."""

from __future__ import annotations

from functools import cache

from reconciler.format.assets import AssetSet
from reconciler.model import SourceRevision, Tree
from reconciler.planning.plan import DesiredState
from reconciler.source.workspace import Workspace


def make_desired(workspace: Workspace, source: SourceRevision, tree: Tree, found: AssetSet) -> DesiredState:
    """Put together what planning compares with the live state."""

    @cache
    def ancestry(commit: str) -> bool | None:
        return workspace.repository.is_ancestor(commit, source.commit)

    return DesiredState(source, tree, found, ancestry)
