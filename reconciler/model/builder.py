"""The protocol of builders, which make environments, and the values that it exchanges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.model.assets import EMPTY_MAPPING, Json
from reconciler.model.content import Content
from reconciler.model.object_store import ObjectStore
from reconciler.model.tasks import Environment

ReportProgress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What would be built: an environment as a builder understands it."""

    address: str
    """``environment/sklearn``, for messages."""
    fingerprint: str
    """The fingerprint of the environment as declared."""
    requires_python: str = ""
    """A version specifier such as ``>=3.11``; blank for any."""
    packages: tuple[str, ...] = ()
    """PEP 508 requirements, in the order in which they were written."""
    conda_packages: tuple[str, ...] = ()
    """Requirements in the syntax of conda, of builders that run conda."""
    channels: tuple[str, ...] = ()
    """The channels of conda in which they are looked for, the preferred ones first."""
    lock: str = ""
    """A lock that was recorded earlier: exactly these packages are installed again."""
    variables: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
    """Environment variables that the environment declares for every run in it."""
    declared_python: str = ""
    """The version specifier that the environment itself declares, if the settings of the builder let it use another."""
    instead_of: str = ""
    """The series of Python, such as ``3.8``, in the place of which they name another; blank for none."""
    variant: str = ""
    """What the settings of the builder make different, such as ``Python 3.11 instead of 3.8``; blank for nothing."""
    image: str = ""
    """The container image that it is, or is built on, as declared; blank for a builder that uses none."""
    dockerfile: str = ""
    """The path of the Dockerfile in its build context; blank if it has no context."""
    context: Content | None = None
    """The build context, which the caller of the builder has put into the store; None if it has none."""


@dataclass(frozen=True, slots=True)
class LockFile:
    """A lock that another tool wrote: its path and its text, with what it is parsed to if it is YAML."""

    path: str
    text: str
    document: Json = None


@dataclass(frozen=True, slots=True)
class BuildProblem:
    """What a builder cannot do with an environment, and the JSON pointer of the part of the spec that says it."""

    pointer: str
    """Such as ``/conda_file/dependencies/0``."""
    code: str
    message: str
    hint: str
    is_certain: bool = True
    """False if another machine may be able to build it."""
    settings: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    """The settings of the builder in mlgit.yml with which it would be able to; none if there are no such."""


@dataclass(frozen=True, slots=True)
class BuildNote:
    """What a builder does otherwise than the spec says, without harm; a plan says it at the parts of the spec.

    About a field that the builder's table has as ignored, the text is the reason, in the place of that of the table.
    """

    pointers: tuple[str, ...]
    text: str
    is_usual: bool = True
    """As of ``model.support.Ignored``: plans say it, `validate` does not."""


@dataclass(frozen=True, slots=True)
class Built:
    """An environment that was built, and what a run needs to use it."""

    environment: Environment
    identity: str
    """Digest of the content: lock, Python version and platform. Equal identities are one environment."""
    platform: str
    """What it was built for, such as ``x86_64-linux``."""
    lock: str = ""
    python_version: str = ""
    """The full version, such as ``3.11.7``."""
    variant: str = ""
    """What the settings of the builder made different, as in its plan; such builds are recorded beside the others."""
    base: str = ""
    """What the image of the environment was resolved to, such as ``python@sha256:...``; "" if it is built on none."""

    def to_json(self) -> dict[str, Json]:
        """Return what is recorded of the build: no path of the machine that built it."""
        variant: dict[str, Json] = {"variant": self.variant} if self.variant else {}
        return {
            "identity": self.identity,
            "platform": self.platform,
            "python": self.python_version,
            "lock": self.lock,
            **variant,
            **({"base": self.base} if self.base else {}),
        }


@dataclass(frozen=True, slots=True)
class LocalBuild:
    """What a builder made on this machine, as a marker or labels of its own say, whether or not it is finished."""

    id: str
    """What the builder calls it: the path of a prefix, an image by its id, or the name of a base."""
    fingerprints: frozenset[str] = frozenset()
    """Those of the environments whose build it is; none if nothing on this machine refers to it any more."""
    size: int = 0
    """In bytes."""
    made_at: float = 0.0
    """In seconds since the epoch."""
    environment: str = ""
    """The address of the environment that it was made for first, such as ``environment/x``; "" if that is not known."""
    is_base: bool = False
    """True for what only other builds start from, such as an image of others that a builder gave a name."""


class Builder(Protocol):
    """Makes environments of one form."""

    def plan(self, address: str, fingerprint: str, spec: Mapping[str, Json], lock: str = "") -> BuildPlan:
        """Return what would be built; pure. `spec` is the asset as JSON, its ``conda_file`` already parsed.

        Raises UserError (``builder-cannot``, ``requirement-refused``) with everything that this builder cannot do.
        """
        ...

    def check(self, spec: Mapping[str, Json]) -> tuple[BuildProblem, ...]:
        """Return everything that this builder cannot do, for `validate` and plans; reads no more than this machine."""
        ...

    def notes(self, spec: Mapping[str, Json]) -> tuple[BuildNote, ...]:
        """Return what this builder does otherwise than the spec says, for `validate` and plans; pure."""
        ...

    def accept_lock(self, plan: BuildPlan, file: LockFile) -> str:
        """Return a lock that another tool wrote as one of this builder; raises UserError (``lock-refused``)."""
        ...

    def find(self, fingerprint: str) -> Built | None:
        """Return the finished build of that fingerprint that runs of this machine can use; None if there is none."""
        ...

    def build(self, plan: BuildPlan, store: ObjectStore, progress: ReportProgress) -> Built:
        """Build, or reuse a finished build; never leaves half of one. `progress` is called with one-line messages."""
        ...

    def try_imports(self, built: Built, modules: Sequence[str]) -> str:
        """Return what is wrong with the first of the modules that a build cannot import; "" if it can import all."""
        ...

    def find_base(self, spec: Mapping[str, Json]) -> str:
        """Return what the image of an environment is resolved to now, as ``Built.base``; "" if that cannot be told.

        It may ask a registry. It is called only if a build with a base is recorded.
        """
        ...

    def list_builds(self) -> tuple[LocalBuild, ...]:
        """Return all that this builder made on this machine; nothing that lacks its marker or its labels."""
        ...

    def remove(self, build: LocalBuild) -> bool:
        """Remove a build of ``list_builds`` and all that refers to it; return False if it is in use, and stays."""
        ...

    def stop(self) -> None:
        """Terminate all builds, from another thread; their callers get a UserError (``build-stopped``)."""
        ...
