"""Environments are built by name: what a builder is, what it is asked, what it hands back.

``render`` is pure, ``find`` looks at this machine, ``build`` acts. A builder is one module of this package that names
its factory ``BUILDER`` (modules that start with an underscore are parts of one), or an entry point of the group
``mlgit.builders``; the contract tests run on whatever is found here.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from reconciler.diagnostics import user_error

ENTRY_POINT_GROUP = "mlgit.builders"


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What to build: an environment in the builder's own terms, computed without touching the world."""

    address: str
    """``environment/sklearn``, for messages."""
    fingerprint: str
    """Of the environment as declared."""
    requires_python: str
    """A version specifier such as ``>=3.11``; blank for any."""
    packages: tuple[str, ...]
    """PEP 508 requirements, in the order in which they were written."""
    lock: str = ""
    """A lock recorded earlier: build exactly these packages again."""
    notes: tuple[str, ...] = ()
    """What was declared and is left out by this builder, for the person who reads the plan."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables that the environment declares for whatever runs in it."""


@dataclass(frozen=True, slots=True)
class BuiltEnvironment:
    """An environment that is there: what it is, and how a run gets into it."""

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
    """Environment variables to set, as pairs so that the value stays hashable; ``dict()`` reads them."""


class Builder(Protocol):
    """Makes environments of one sort."""

    @property
    def name(self) -> str: ...

    def plan_build(self, address: str, fingerprint: str, spec: Mapping[str, Any], lock: str = "") -> BuildRequest:
        """Say what would be built; pure. `spec` is the asset as JSON, its ``conda_file`` already parsed.

        Raises UserError (``builder-cannot``, ``requirement-refused``) with everything this builder cannot do.
        """
        ...

    def find(self, fingerprint: str) -> BuiltEnvironment | None:
        """Give the finished build of that fingerprint on this machine, if there is one."""
        ...

    def build(self, request: BuildRequest, progress: Callable[[str], None]) -> BuiltEnvironment:
        """Build, or reuse what is there; whole or not at all. `progress` gets short plain lines."""
        ...

    def stop(self) -> None:
        """End, from another thread, everything that is being built; whoever builds it sees a UserError."""
        ...


BuilderFactory = Callable[[Path | None], Builder]
"""Makes a builder that keeps its environments below the folder given; None is the user's cache folder."""


def builder_names() -> tuple[str, ...]:
    """Name every builder that `load` knows."""
    return tuple(
        sorted({*_builtin_builders(), *(entry_point.name for entry_point in entry_points(group=ENTRY_POINT_GROUP))})
    )


def has_builder(name: str) -> bool:
    """Tell whether `load` knows the name; quicker than looking through all names."""
    return name in _builtin_builders() or bool(entry_points(group=ENTRY_POINT_GROUP, name=name))


def load_builder(name: str, root: Path | None = None) -> Builder:
    """Give the builder of that name: a module of this package, else an entry point; imported only when asked for.

    Raises UserError: ``builder-unknown``, or ``builder-broken`` for a plug-in that cannot be imported.
    """
    if name in _builtin_builders():
        own: BuilderFactory = importlib.import_module(f"{__name__}.{name}").BUILDER
        return own(root)
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        try:
            plugged: BuilderFactory = point.load()
        except Exception as error:
            message = f"the builder '{name}' cannot be loaded from {point.value}: {error}"
            raise user_error("builder-broken", message, "reinstall the package it comes from, or remove it") from error
        return plugged(root)
    close = difflib.get_close_matches(name, builder_names(), 1)
    hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(builder_names())}"
    raise user_error("builder-unknown", f"there is no builder '{name}'", hint)


def built_environment_to_json(build: BuiltEnvironment) -> dict[str, Any]:
    """Write a build as JSON values."""
    return {
        "builder": build.builder,
        "fingerprint": build.fingerprint,
        "identity": build.identity,
        "prefix": build.prefix,
        "python": build.python_version,
        "lock": build.lock,
        "path": list(build.path_entries),
        "variables": dict(build.variables),
    }


def _builtin_builders() -> tuple[str, ...]:
    return tuple(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
