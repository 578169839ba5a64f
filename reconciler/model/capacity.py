"""What one compute of a backend can give a run, what a run asks for, and where the runs of a plan go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from reconciler.model.assets import EMPTY_MAPPING, Json
from reconciler.model.resources import Compute, Resources


class Limit(NamedTuple):
    """How much there is of something; ``source`` is what says so, as in ``max_instances``, ``remedy`` how to get more.

    The remedy is in the imperative: ``raise max_instances of the compute``; blank if there is none.
    """

    value: float
    source: str
    remedy: str = ""


class Capacity(NamedTuple):
    """What a compute has for one run; None for what is not known, which no run is refused for.

    ``instances`` of one run at most; of one instance ``cpus``, ``memory`` in bytes, and ``gpus``. ``seconds`` is the
    longest time limit. ``slots`` is how many instances of all runs go on at once: more of them wait.
    """

    instances: Limit | None = None
    cpus: Limit | None = None
    memory: Limit | None = None
    gpus: Limit | None = None
    seconds: Limit | None = None
    slots: Limit | None = None


class RunRequest(NamedTuple):
    """What a run asks for, as its file says: a part of its task."""

    compute: Compute = Compute()
    resources: Resources = Resources()
    distribution: Mapping[str, Json] = EMPTY_MAPPING


Settings = Mapping[str, Json]
FindCapacity = Callable[[Settings, RunRequest], Capacity]
CountGpus = Callable[[Settings, RunRequest], int | None]


def unknown_capacity(_settings: Settings, _request: RunRequest) -> Capacity:
    """Return that nothing is known: a `FindCapacity`."""
    return Capacity()


def unknown_gpus(_settings: Settings, _request: RunRequest) -> int | None:
    """Return that it is not known: a `CountGpus`."""
    return None


class RunPlace(NamedTuple):
    """A compute that runs of a submission go to, and its backend, "" if it is bound to none.

    ``steps`` is how many steps of a pipeline or a sweep are for it, 0 for a job without steps; ``trials`` is how many
    runs sweeps among them have at most. ``instances`` and ``gpus`` are those of the largest run, its GPUs those of all
    its instances. ``gpu_hours`` are those of all runs at most, each tried once; None if one has no time limit.
    """

    compute: str
    backend: str
    steps: int = 0
    trials: int = 0
    instances: int = 1
    gpus: int = 0
    gpu_hours: float | None = 0.0
