"""What a run may use, and the compute that it is on: a part of a task that planning knows too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.assets import EMPTY_MAPPING, Json

DEFAULT_MAX_INSTANCES = 4
"""The most nodes of an amlcompute whose file has no max_instances."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a run may use: nodes, processors and devices of each, bytes of memory, seconds of time; None for any.

    ``docker_args`` are arguments of ``docker run`` that backends without containers ignore.
    """

    instances: int = 1
    cpus: int | None = None
    gpus: int | None = None
    memory: int | None = None
    shm: int | None = None
    timeout: float | None = None
    docker_args: str = ""


@dataclass(frozen=True, slots=True)
class Compute:
    """The compute that a run is on, by its name, and its spec; empty if no file declares it."""

    name: str = ""
    spec: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
