"""What the backends with slots of one machine can give a run, as far as files say it, and what else a machine tells.

Queues count by the same functions, so that a plan and a submission agree.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path

from reconciler.diagnostics import Diagnostic
from reconciler.model import Json
from reconciler.model.capacity import Capacity, Limit, RunRequest, Settings
from reconciler.model.numbers import as_number
from reconciler.model.resources import DEFAULT_MAX_INSTANCES, Compute
from reconciler.model.vm_sizes import find_vm_size

_SINGLE_NODE_TYPES = {"computeinstance", "virtualmachine"}
_GPU_SIZE = re.compile(r"(?i)^(standard_)?n")  # Azure's sizes with GPUs: NC, ND, NV, NG
_VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"
_DEVICE_NAME = re.compile(r"nvidia(\d+)")
_THIS_MACHINE = "of this machine"
_SLOTS_REMEDY = "set slots: of the backend in mlgit.yml"


def find_capacity(settings: Settings, request: RunRequest) -> Capacity:
    """Return what files say of a compute: its slots. Of GPUs, `check_settings` compares what files say."""
    slots = declared_slots(settings, request.compute)
    return Capacity(instances=slots, slots=slots)


def find_machine_capacity(settings: Settings, request: RunRequest) -> Capacity:
    """Return what this machine tells of a compute where files say nothing."""
    slots = declared_slots(settings, request.compute)
    slots = slots or Limit(core_count(), f"one for each core {_THIS_MACHINE}", _SLOTS_REMEDY)
    gpus = Limit(len(device_names(None)), _THIS_MACHINE) if settings.get("gpus") is None else None
    return Capacity(instances=slots, gpus=gpus, slots=slots)


def find_container_capacity(settings: Settings, request: RunRequest) -> Capacity:
    """Return what this machine tells of a compute whose runs are containers, which have its processors and memory."""
    cpus = Limit(os.cpu_count() or 1, _THIS_MACHINE)
    memory = Limit(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), _THIS_MACHINE)
    return find_machine_capacity(settings, request)._replace(cpus=cpus, memory=memory)


def declared_slots(settings: Mapping[str, Json], compute: Compute) -> Limit | None:
    """Return how many instances a compute has at once; None if the machine decides."""
    compute_type = str(compute.spec.get("type", "")).casefold()
    if compute_type == "amlcompute":
        declared = as_number(compute.spec.get("max_instances"))
        source = "max_instances is not set" if declared is None else "max_instances"
        count = DEFAULT_MAX_INSTANCES if declared is None else int(declared)
        return Limit(max(1, count), source, "raise max_instances of the compute")
    if compute_type in _SINGLE_NODE_TYPES:
        return Limit(1, f"it is of type {compute_type}", "use a compute of type amlcompute")
    slots = settings.get("slots")
    return Limit(slots, "slots: of the backend in mlgit.yml", "raise slots: there") if slots else None


def count_gpus(settings: Settings, request: RunRequest) -> int | None:
    """Return how many GPUs a run takes; None if the machine decides."""
    per_run, declared = settings.get("gpus_per_run"), settings.get("gpus")
    if declared is None:
        return per_run or (None if per_run is None and takes_gpus(request.compute) else 0)
    return gpus_of_run(settings, request, len(device_names(declared)))


def gpus_of_run(settings: Settings, request: RunRequest, available: int) -> int:
    """Return how many of the GPUs of a machine a run takes: unless it is set, one per process."""
    per_run: int | None = settings.get("gpus_per_run")
    if not available or per_run is not None:
        return (per_run or 0) if available else 0
    if not takes_gpus(request.compute):
        return 0
    distribution = importlib.import_module("reconciler.runner.distribution")  # without GPUs, a plan needs no runner
    workers: int = distribution.count_workers(request.distribution, request.resources.instances)
    return min(workers, available)


def takes_gpus(compute: Compute) -> bool:
    """Return False for a compute of a size without GPUs."""
    name = str(compute.spec.get("size") or "")
    size = find_vm_size(name)
    return size.gpus > 0 if size else not name or _GPU_SIZE.match(name) is not None


def check_settings(settings: Settings) -> Iterator[tuple[str, Diagnostic]]:
    """Yield what is wrong with settings that are as their schema says: a name of one, and what."""
    per_run, declared = settings.get("gpus_per_run"), settings.get("gpus")
    available = 0 if declared is None else len(device_names(declared))
    if per_run and declared is not None and per_run > available:
        message = f"a run takes {per_run} GPUs (gpus_per_run), but the backend has {available} (gpus)"
        yield "gpus_per_run", Diagnostic("wrong-value", message, hint="lower gpus_per_run:, or correct gpus:")


def core_count() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def device_names(setting: Json) -> tuple[str, ...]:
    """Return the GPUs that a setting declares, each once: their number, or their names; by default the visible ones."""
    if isinstance(setting, int):
        return tuple(map(str, range(setting)))
    if setting is not None:
        return tuple(dict.fromkeys(map(str, setting)))
    visible = os.environ.get(_VISIBLE_DEVICES)
    if visible is not None:
        names = (name.strip() for name in visible.split(","))
        return tuple(dict.fromkeys(takewhile(_is_device, names)))
    numbers = (match[1] for path in Path("/dev").iterdir() if (match := _DEVICE_NAME.fullmatch(path.name)))
    return tuple(sorted(numbers, key=int))


def _is_device(name: str) -> bool:
    """Return True for the name of a GPU in ``CUDA_VISIBLE_DEVICES``; what follows another one, as -1, is hidden."""
    return bool(name) and not name.startswith("-")
