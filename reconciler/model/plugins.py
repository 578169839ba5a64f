"""What a plug-in says of itself before it is opened: a light value, so that asking costs no import of its code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from reconciler.model.assets import Json
from reconciler.model.support import Support

NO_SETTINGS: Mapping[str, Json] = MappingProxyType({"type": "object", "additionalProperties": False})


class Form(StrEnum):
    """The form of a built environment: a folder of one host, or a container image."""

    PREFIX = "prefix"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A provider of any type.

    ``open`` names its factory, ``MODULE:ATTRIBUTE``, which is imported when the provider is needed. ``settings`` is
    the JSON schema of its block in mlgit.yml, ``support`` what it does of an asset's spec. ``variables`` are the names
    of environment variables that it reads: the driver of a pipeline gets no others of who starts it.
    """

    open: str
    settings: Mapping[str, Json] = field(default_factory=lambda: NO_SETTINGS)
    support: Support = field(default_factory=Support)
    variables: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BackendPlugin(Plugin):
    """A type of backend; ``is_host_bound`` is True if only the machine that starts a run can observe it."""

    accepts: frozenset[Form] = frozenset({Form.PREFIX})
    is_host_bound: bool = False


@dataclass(frozen=True, slots=True)
class BuilderPlugin(Plugin):
    """A type of builder.

    ``dockerfile`` names a function of its code that returns the Dockerfile of an environment, of its address, its
    spec, its recorded lock, and a function that reads a file of its build context; blank if it uses no Dockerfiles.
    """

    produces: Form = Form.PREFIX
    dockerfile: str = ""


@dataclass(frozen=True, slots=True)
class ResourcePlugin(Plugin):
    """A provider of resources: what is made, and exists until it is deleted."""


@dataclass(frozen=True, slots=True)
class StorePlugin(Plugin):
    """A type of object store."""
