"""The computes of one target as planning knows them: their files, and what their backends say without being opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.config.config import Config
from reconciler.model import Asset
from reconciler.model.capacity import Capacity, RunRequest
from reconciler.planning.run_requests import FindSpec, make_run_request


class BoundBackend(NamedTuple):
    """What a backend of mlgit.yml tells before it is opened: what it has for a run, and how many GPUs a run takes."""

    find_capacity: Callable[[RunRequest], Capacity]
    count_gpus: Callable[[RunRequest], int | None]


FindBackend = Callable[[str], BoundBackend | None]
"""Returns a backend by its name in mlgit.yml, None if there is none or it cannot be imported."""


def no_backend(_name: str) -> BoundBackend | None:
    """Return that nothing is known of a backend: a `FindBackend`."""
    return None


@dataclass(frozen=True, slots=True)
class Computes:
    """The computes that jobs can be on."""

    config: Config
    find_backend: FindBackend
    find_spec: FindSpec

    def request_of(self, job: Asset) -> RunRequest:
        """Return what a run of a job asks for."""
        return make_run_request(job, self.find_spec)

    def backend_of(self, request: RunRequest) -> BoundBackend | None:
        """Return the backend that a run is for."""
        return self.find_backend(self.config.backend_of(request.compute.name))

    def capacity_for(self, request: RunRequest) -> Capacity:
        """Return what the compute of a run has for it, as far as files say."""
        backend = self.backend_of(request)
        return backend.find_capacity(request) if backend else Capacity()

    def gpus_of(self, request: RunRequest) -> int | None:
        """Return how many GPUs a run takes, None if that is not known."""
        backend = self.backend_of(request)
        return backend.count_gpus(request) if backend else None
