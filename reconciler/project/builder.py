"""Open the builders of environments."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler import builders
from reconciler.model.builder import Builder
from reconciler.project.state_session import StateSession


def open_builders(session: StateSession) -> dict[str, Builder]:
    """Open the builders of environments."""
    cache = os.environ.get("MLGIT_CACHE_DIR")
    root = Path(cache) / "environments" if cache else None
    workspace = session.workspace.folder
    return {
        name: builders.load_builder(settings, root, workspace) for name, settings in session.config.builders.items()
    }
