"""What a plan says of the builds of environments: which builder, and how the packages differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from reconciler.model.assets import EMPTY_MAPPING, Address, Json

UNUSABLE = "unusable"
"""The key of a recorded build for the backends that can run no job in it."""


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


class FinishedBuild(NamedTuple):
    """What a plan shows of a finished build: what ``model.builder.Built`` has of it, without what runs need.

    ``python`` is the platform where no Python is known, ``folder`` "" where the build is no folder.
    """

    python: str
    lock: str
    folder: str = ""


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


class Unusable(NamedTuple):
    """Why a backend can run no job in an environment; ``settings`` is the digest of those that it had then."""

    message: str
    hint: str
    settings: str


def mark_unusable(build: Mapping[str, Json], backend: str, unusable: Unusable) -> dict[str, Json]:
    """Return a recorded build with a backend that can run no job in it."""
    return {**build, UNUSABLE: {**build.get(UNUSABLE, {}), backend: unusable._asdict()}}


def read_unusable(build: Mapping[str, Json], backend: str) -> Unusable | None:
    """Return why a backend can run no job in a recorded build; None if nothing is known against it."""
    known = build.get(UNUSABLE, {}).get(backend)
    return Unusable(*(str(known.get(name, "")) for name in Unusable._fields)) if known else None


def merge_builds(
    builds: Mapping[str, Mapping[str, Json]], recorded: Mapping[str, Mapping[str, Json]]
) -> dict[str, Mapping[str, Json]]:
    """Return what is recorded after more builds of an environment: the first of each builder, and what is unusable."""
    return dict(_merged(builds, recorded))


def _merged(
    builds: Mapping[str, Mapping[str, Json]], recorded: Mapping[str, Mapping[str, Json]]
) -> Iterator[tuple[str, Mapping[str, Json]]]:
    for name, first in {**builds, **recorded}.items():
        unusable = first.get(UNUSABLE, {}) | builds.get(name, {}).get(UNUSABLE, {})
        yield name, {**first, **({UNUSABLE: unusable} if unusable else {})}
