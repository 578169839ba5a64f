"""What the live state has of the builds of an environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from reconciler.model import Builds, Json
from reconciler.planning.packages import lock_packages


class RecordedBuild(NamedTuple):
    """How a builder built an environment: its lock, and what it was built for."""

    builder: str
    identity: str
    python: str
    platform: str
    lock: str


def decode_builds(builds: Builds, builders: Iterable[str]) -> list[RecordedBuild]:
    """Return the builds of an environment, those of the given builders first."""
    names = dict.fromkeys((*(name for name in builders if name in builds), *builds))
    return [_decode_build(name, builds[name]) for name in names]


def _decode_build(builder: str, document: Mapping[str, Json]) -> RecordedBuild:
    identity, python, platform, lock = (str(document.get(name, "")) for name in RecordedBuild._fields[1:])
    return RecordedBuild(builder, identity, python, platform, lock)


def locked_packages(build: RecordedBuild) -> dict[str, str]:
    """Return the versions of the packages of a build by name, with its Python and its platform."""
    facts = {name: value for name, value in (("python", build.python), ("platform", build.platform)) if value}
    return facts | lock_packages(build.lock)
