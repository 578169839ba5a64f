"""Open the builder of environments."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler import builders
from reconciler.builders import Builder
from reconciler.project.state_session import StateSession


def open_builder(session: StateSession) -> Builder:
    """Open the builder of environments."""
    cache = os.environ.get("MLGIT_CACHE_DIR")
    return builders.load_builder(session.config.builder, Path(cache) / "environments" if cache else None)
