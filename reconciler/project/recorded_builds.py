"""What the live state has of the builds of an environment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reconciler.model import Json, Record

_BUILDS = "builds"


class RecordedBuild(NamedTuple):
    """How a builder built an environment: its lock, and what it was built for."""

    builder: str
    identity: str
    python: str
    platform: str
    lock: str


def find_recorded_builds(record: Record, builders: Iterable[str]) -> list[RecordedBuild]:
    """Return the builds of an environment, those of the given builders first."""
    builds = record.realised.get(_BUILDS, {})
    names = dict.fromkeys((*(name for name in builders if name in builds), *builds))
    return [_decode_build(name, builds[name]) for name in names]


def _decode_build(builder: str, document: Json) -> RecordedBuild:
    texts = (str(document.get(name, "")) for name in ("identity", "python", "platform", "lock"))
    return RecordedBuild(builder, *texts)
