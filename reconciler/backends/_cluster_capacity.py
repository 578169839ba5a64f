"""What files say of what a run gets on a cluster, for the backends `slurm` and `ray` before they are opened."""

from __future__ import annotations

import re

from reconciler.backends._local_capacity import declared_slots
from reconciler.backends._slurm_script import longest_minutes
from reconciler.model.capacity import Capacity, Limit, RunRequest, Settings
from reconciler.model.resources import Compute

_GPU_DEVICE = "gpu"
_COUNT = re.compile(r"[0-9]+")


def find_slurm_capacity(settings: Settings, request: RunRequest) -> Capacity:
    """Return what files say of a compute on Slurm: the instances of a run, and its time."""
    minutes = longest_minutes(settings.get("time"))
    seconds = Limit(minutes * 60, "time: of the backend in mlgit.yml", "raise time: there") if minutes else None
    return Capacity(instances=_declared_instances(request.compute), seconds=seconds)


def find_ray_capacity(_settings: Settings, request: RunRequest) -> Capacity:
    """Return what files say of a compute on Ray: the instances of a run."""
    return Capacity(instances=_declared_instances(request.compute))


def count_slurm_gpus(settings: Settings, request: RunRequest) -> int:
    """Return how many GPUs a run takes on Slurm: those of ``gres``, for all its instances."""
    devices = parse_devices(settings.get("gres") or "")
    return request.resources.instances * sum(count for name, _, count in devices if name == _GPU_DEVICE)


def count_ray_gpus(settings: Settings, request: RunRequest) -> int:
    """Return how many GPUs a run takes on Ray, all its instances together."""
    per_instance: int = settings.get("gpus_per_run") or 0
    return request.resources.instances * per_instance


def parse_devices(gres: str) -> list[tuple[str, str, int]]:
    """Return devices as Slurm writes them, such as ``gpu:a100:2``: their name, their type, "" for any, how many."""
    return [_parse_device(item) for item in re.sub(r"\([^)]*\)", "", gres).split(",") if item]


def _parse_device(item: str) -> tuple[str, str, int]:
    name, *rest = item.split(":")
    count = int(rest.pop()) if rest and _COUNT.fullmatch(rest[-1]) else 1
    return name, rest[0] if rest else "", count


def _declared_instances(compute: Compute) -> Limit | None:
    """Return how many instances of one run a compute has; None if its file does not say: the cluster decides."""
    limit = declared_slots({}, compute)
    is_open = str(compute.spec.get("type", "")).casefold() == "amlcompute" and not compute.spec.get("max_instances")
    return None if is_open else limit
