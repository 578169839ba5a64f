"""What a plug-in says of itself before it is opened: a light value, so that asking costs no import of its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from reconciler.model.assets import EMPTY_MAPPING, Json
from reconciler.model.capacity import CountGpus, FindCapacity, unknown_capacity, unknown_gpus
from reconciler.model.clusters import makes_cluster
from reconciler.model.support import Support

NO_SETTINGS: Mapping[str, Json] = MappingProxyType({"type": "object", "additionalProperties": False})


class Form(StrEnum):
    """The form of a built environment: a folder, which can be copied to other machines or not, or a container image."""

    PREFIX = "prefix"
    FIXED_PREFIX = "fixed-prefix"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A provider of any type.

    ``open`` names its factory, ``MODULE:ATTRIBUTE``, which is imported when the provider is needed. ``settings`` is
    the JSON schema of its block in mlgit.yml, ``support`` what it does of an asset's spec. ``variables`` are the names
    of environment variables that it reads: the driver of a pipeline gets no others of who starts it. ``check`` names a
    function of settings that are as their schema says; it yields what is wrong with them: the name of a setting, or the
    path to a part of one, and a diagnostic without a position; blank if there is none.
    """

    open: str
    settings: Mapping[str, Json] = field(default_factory=lambda: NO_SETTINGS)
    support: Support = field(default_factory=Support)
    variables: frozenset[str] = frozenset()
    check: str = ""

    def support_with(self, _settings: Mapping[str, Json]) -> Support:
        """Return what a provider with these settings does of an asset's spec."""
        return self.support


@dataclass(frozen=True, slots=True)
class BackendPlugin(Plugin):
    """A type of backend; ``is_host_bound`` is True if only the machine that starts a run can observe it.

    ``checked_at_submission`` maps names of its settings to what only a submission can tell about them, as a clause that
    begins with "whether": a plan with runs on a backend that has the setting says so. ``find_refusals`` names a
    function that returns warnings, of the settings: what would stop runs on this machine, as far as it can tell without
    being opened; blank if there is none. It is asked when a plan with runs on the backend is shown. ``secrets`` are the
    JSON pointers of what ``secrets:`` of mlgit.yml can bind for it: its factory gets a `BackendContext` as well then.

    ``find_capacity`` returns what a compute has for one run, and ``count_gpus`` how many GPUs a run takes, all its
    instances together, None if that is not known: pure functions of its settings and of what the run asks for, as a
    plan is the same on every machine. A run that asks for more is refused. ``machine_capacity`` names a function that
    returns what else this machine tells of the same: more than that is a warning where a plan is shown; blank if there
    is none.

    A backend whose settings say so (`model.clusters`) makes the cluster of the compute that is bound to it: its support
    is ``support_of_made``, and ``open_clusters`` names a function of its settings and a `BackendContext` that returns
    the provider of resources which does so. It is blank for a type of backend that makes none.
    """

    accepts: frozenset[Form] = frozenset({Form.PREFIX, Form.FIXED_PREFIX})
    is_host_bound: bool = False
    find_refusals: str = ""
    checked_at_submission: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
    secrets: tuple[str, ...] = ()
    find_capacity: FindCapacity = unknown_capacity
    count_gpus: CountGpus = unknown_gpus
    machine_capacity: str = ""
    support_of_made: Support = field(default_factory=Support)
    open_clusters: str = ""

    def support_with(self, settings: Mapping[str, Json]) -> Support:
        return self.support_of_made if makes_cluster(settings) else self.support


class BackendContext(NamedTuple):
    """What a backend is opened with besides its settings: its name, the folder of mlgit.yml, and its secrets.

    ``read_secret`` returns the value that is bound to a JSON pointer, None if none is; raises UserError
    ``secret-missing``.
    """

    name: str = ""
    folder: str = "."
    read_secret: Callable[[str], str | None] = lambda _pointer: None


@dataclass(frozen=True, slots=True)
class BuilderPlugin(Plugin):
    """A type of builder.

    ``dockerfile`` names a function of its code that returns the Dockerfile of an environment, of its address, its
    spec, its recorded lock, and a function that reads a file of its build context; blank if it uses no Dockerfiles.
    ``find`` names a function that returns the `FinishedBuild` of ``Builder.find``, or None, of the settings, the
    folder of all builders, that of the workspace, and a fingerprint. A plan asks it, so that it need not import what
    builds; blank if it has to ask the builder itself.
    """

    produces: Form = Form.PREFIX
    dockerfile: str = ""
    find: str = ""


@dataclass(frozen=True, slots=True)
class ResourcePlugin(Plugin):
    """A provider of resources: what is made, and exists until it is deleted."""


@dataclass(frozen=True, slots=True)
class StorePlugin(Plugin):
    """A type of object store.

    ``secrets`` are the JSON pointers of its fields whose values come from ``secrets:`` of mlgit.yml.
    """

    secrets: tuple[str, ...] = ()


class HostField(NamedTuple):
    """A field of a datastore's file that says which host gets its credentials.

    ``pattern`` is a regular expression of what a file may say. ``settings`` of mlgit.yml say it in its place.
    """

    pointer: str
    pattern: str
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatastorePlugin(Plugin):
    """A type of datastore, such as ``azure_blob``.

    ``modules`` are the modules that it needs beside mlgit's own, ``extra`` the extra of mlgit that installs them.
    ``secrets`` are the JSON pointers of its fields whose values come from ``secrets:`` of mlgit.yml.
    ``hosts`` are the fields that say which host gets these values.
    """

    modules: tuple[str, ...] = ()
    extra: str = ""
    secrets: tuple[str, ...] = ()
    hosts: tuple[HostField, ...] = ()
