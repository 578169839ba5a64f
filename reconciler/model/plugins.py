"""What a plug-in says of itself before it is opened: a light value, so that asking costs no import of its code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.assets import EMPTY_MAPPING, Json


@dataclass(frozen=True, slots=True)
class Plugin:
    """A provider of any type.

    ``open`` names its factory, ``MODULE:ATTRIBUTE``, which is imported when the provider is needed. ``settings`` is
    the JSON schema of the settings of its own in mlgit.yml.
    """

    open: str
    settings: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)


@dataclass(frozen=True, slots=True)
class BackendPlugin(Plugin):
    """A type of backend."""


@dataclass(frozen=True, slots=True)
class BuilderPlugin(Plugin):
    """A builder of environments."""


@dataclass(frozen=True, slots=True)
class ResourcePlugin(Plugin):
    """A provider of resources: what is made, and exists until it is deleted."""


@dataclass(frozen=True, slots=True)
class StorePlugin(Plugin):
    """A type of object store."""
