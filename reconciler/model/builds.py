"""What a plan says of the builds of environments: which builder, and how the packages differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.model.assets import EMPTY_MAPPING, Address


class BuilderChoice(NamedTuple):
    """Which builder of mlgit.yml builds an environment, why that one, and for runs on which backends.

    ``why`` is "" if there is no other, ``backends`` empty if the build is for all runs.
    """

    builder: str
    why: str = ""
    backends: tuple[str, ...] = ()


class PackageDiff(NamedTuple):
    """The packages of two locks that differ: versions by name, and of changed ones both."""

    changed: Mapping[str, tuple[str, str]] = EMPTY_MAPPING
    added: Mapping[str, str] = EMPTY_MAPPING
    removed: Mapping[str, str] = EMPTY_MAPPING

    def __bool__(self) -> bool:
        return bool(self.changed or self.added or self.removed)


class BuildForecast(NamedTuple):
    """What a machine has of an environment that a plan builds or a run needs: an observation, no part of the plan.

    ``python`` is that of the finished build that is used again, "" if it has to be built. It ``is_locked`` if it is
    built from a lock, and ``is_compared`` if its packages are compared with the version before; ``packages`` is how
    they differ, None if that is not known. ``not_asked`` is why the builder was not asked, "" if it was. ``folder`` is
    that of the finished build on this machine, "" if there is none.
    """

    address: Address
    builder: str
    python: str = ""
    is_locked: bool = False
    is_compared: bool = False
    packages: PackageDiff | None = None
    not_asked: str = ""
    folder: str = ""
