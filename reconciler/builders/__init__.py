"""Builders make environments: how one is found by name. Their protocol is ``model.builder.Builder``.

A builder is a module of this package whose attribute ``BUILDER`` is a `BuilderPlugin`, or an entry point of the group
``mlgit.builders`` that names one. Modules whose names start with an underscore have the code of a builder and are
imported when it is opened. The contract tests run on every builder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.model import Json
from reconciler.model.plugins import BuilderPlugin
from reconciler.registry import Registry

if TYPE_CHECKING:
    from reconciler.model.builder import Builder  # a plan asks what a builder supports, and opens none

BUILDERS: Registry[BuilderPlugin] = Registry("builder", __name__, "BUILDER", "mlgit.builders")


def load_builder(settings: Mapping[str, Json], root: Path | None = None, workspace: Path | None = None) -> Builder:
    """Return the builder that ``type`` of the settings names; raises UserError (``builder-unknown``, ``-broken``).

    It keeps its environments below the root; None is the user's cache folder. Paths in the settings and in the files of
    environments are relative to the workspace; where none is known, they cannot be used.
    """
    builder: Builder = BUILDERS.open(settings["type"], settings, root, workspace)
    return builder
