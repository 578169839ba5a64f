"""What a plug-in says of itself before it is opened: a light value, so that asking costs no import of its code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.assets import EMPTY_MAPPING, Json
from reconciler.model.support import Support


@dataclass(frozen=True, slots=True)
class Plugin:
    """A provider of any type.

    ``open`` names its factory, ``MODULE:ATTRIBUTE``, which is imported when the provider is needed. ``settings`` is
    the JSON schema of its block in mlgit.yml, ``support`` what it does of an asset's spec.
    """

    open: str
    settings: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    support: Support = field(default_factory=Support)


@dataclass(frozen=True, slots=True)
class BackendPlugin(Plugin):
    """A type of backend."""


@dataclass(frozen=True, slots=True)
class BuilderPlugin(Plugin):
    """A builder of environments."""
