"""Open the builders of environments."""

from __future__ import annotations

from reconciler import builders
from reconciler.model.builder import Builder
from reconciler.project.environment_uses import environments_folder
from reconciler.project.state_session import StateSession


def open_builders(session: StateSession) -> dict[str, Builder]:
    """Open the builders of environments."""
    root = environments_folder()
    workspace = session.workspace.folder
    return {
        name: builders.load_builder(settings, root, workspace) for name, settings in session.config.builders.items()
    }
