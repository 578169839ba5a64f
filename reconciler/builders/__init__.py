"""Builders make environments: the protocol, the values that it exchanges, and how a builder is found by name.

``plan_build`` is pure, ``find`` reads from this machine, ``build`` has effects. A builder is a module of this package
whose attribute ``BUILDER`` is a `BuilderPlugin`, or an entry point of the group ``mlgit.builders`` that names one.
Modules whose names start with an underscore have the code of a builder and are imported when it is opened. The contract
tests run on every builder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from reconciler.model.plugins import BuilderPlugin
from reconciler.registry import Registry


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What to build: an environment translated to what the builder can do."""

    address: str
    """``environment/sklearn``, for messages."""
    fingerprint: str
    """The fingerprint of the environment as declared."""
    requires_python: str
    """A version specifier such as ``>=3.11``; blank for any."""
    packages: tuple[str, ...]
    """PEP 508 requirements, in the order in which they were written."""
    lock: str = ""
    """A lock that was recorded earlier: exactly these packages are installed again."""
    notes: tuple[str, ...] = ()
    """What the environment declares and this builder ignores; shown in the plan."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables that the environment declares for every run in it."""


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


@dataclass(frozen=True, slots=True)
class BuiltEnvironment:
    """An environment that is installed, and what a run needs to use it."""

    builder: str
    fingerprint: str
    identity: str
    """Digest of the content: lock, Python version and platform. Equal identities are one environment."""
    prefix: str
    python_version: str
    """The full version, such as ``3.11.7``."""
    lock: str
    path_entries: tuple[str, ...]
    """Folders to put in front of PATH."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables to set, as pairs so that the value is hashable."""


class Builder(Protocol):
    """Makes environments of one type."""

    @property
    def name(self) -> str: ...

    def plan_build(self, address: str, fingerprint: str, spec: Mapping[str, Any], lock: str = "") -> BuildRequest:
        """Return what would be built; pure. `spec` is the asset as JSON, its ``conda_file`` already parsed.

        Raises UserError (``builder-cannot``, ``requirement-refused``) with everything that this builder cannot do.
        """
        ...

    def check(self, spec: Mapping[str, Any]) -> tuple[BuildProblem, ...]:
        """Return everything that this builder cannot do, for `validate` and plans; reads no more than this machine."""
        ...

    def find(self, fingerprint: str) -> BuiltEnvironment | None:
        """Return the finished build of that fingerprint on this machine; None if there is none."""
        ...

    def build(self, request: BuildRequest, progress: Callable[[str], None]) -> BuiltEnvironment:
        """Build, or reuse a finished build; never leaves half of one. `progress` is called with one-line messages."""
        ...

    def stop(self) -> None:
        """Terminate all builds, from another thread; their callers get a UserError (``build-stopped``)."""
        ...


BUILDERS: Registry[BuilderPlugin] = Registry("builder", __name__, "BUILDER", "mlgit.builders")


def load_builder(name: str, root: Path | None = None) -> Builder:
    """Return the builder of that name; raises UserError (``builder-unknown``, ``builder-broken``).

    It keeps its environments below the given folder; None is the user's cache folder.
    """
    builder: Builder = BUILDERS.open(name, root)
    return builder


def built_environment_to_json(environment: BuiltEnvironment) -> dict[str, Any]:
    """Return a built environment as JSON values."""
    return {
        "builder": environment.builder,
        "fingerprint": environment.fingerprint,
        "identity": environment.identity,
        "prefix": environment.prefix,
        "python": environment.python_version,
        "lock": environment.lock,
        "path": list(environment.path_entries),
        "variables": dict(environment.variables),
    }
