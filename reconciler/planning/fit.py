"""The fit check: what a run asks for beside what its compute has. What can never start is refused before it waits.

What files say is the same on every machine, so a run that asks for more is an error; what follows from the machine at
hand, or only makes a run wait, is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reconciler.abbreviation import pluralize
from reconciler.model import Asset, Step
from reconciler.model.capacity import Capacity, Limit, RunRequest
from reconciler.model.resolved import StepGraph
from reconciler.model.vm_sizes import VmSize, find_vm_size
from reconciler.planning.compute import COMPUTE_POINTER
from reconciler.planning.computes import Computes
from reconciler.planning.run_requests import read_docker_arguments, read_number
from reconciler.planning.subjects import Subject, runs_of
from reconciler.planning.support import SupportProblem
from reconciler.planning.sweep_limits import read_sweep_limits

_TOO_SMALL = "compute-too-small"
_SHARED = "gpus-shared"
_WAITING = "trials-wait"
_INSTANCE_COUNT, _DOCKER_ARGS = "/resources/instance_count", "/resources/docker_args"
_PROCESS_COUNT, _TIMEOUT = "/distribution/process_count_per_instance", "/limits/timeout"
_MAX_CONCURRENT = "/limits/max_concurrent_trials"
_GIB = 1 << 30


class _Demand(NamedTuple):
    """An amount of something that a run asks for, at a JSON pointer, and how much of it there is."""

    pointer: str
    field: str
    amount: float
    limit: Limit
    text: str
    limit_text: str


def find_misfits(computes: Computes, asset: Asset, graph: StepGraph | None) -> Iterator[tuple[Subject, SupportProblem]]:
    """Yield what a job, or a step of it, asks for that its compute has not, with where that is written."""
    for subject in runs_of(asset, graph):
        request = computes.request_of(subject.asset)
        for problem in check_request(request, computes.capacity_for(request), computes.gpus_of(request)):
            yield subject, problem
    for step in graph.steps.values() if graph else ():
        yield from _find_waiting_trials(computes, asset, step)


def check_request(
    request: RunRequest, capacity: Capacity, gpus: int | None, *, is_certain: bool = True
) -> Iterator[SupportProblem]:
    """Yield what a run asks for beyond a capacity; not ``is_certain`` if another machine may have more."""
    name = request.compute.name
    for demand in _demands(request, capacity, gpus):
        if demand.amount > demand.limit.value:
            message = f"asks for {demand.text}, but the compute {name} has {demand.limit_text} ({demand.limit.source})"
            changes = filter(None, (demand.field and f"lower {demand.field}", demand.limit.remedy))
            hint = ", ".join((*changes, "or use another compute"))
            yield SupportProblem(demand.pointer, _TOO_SMALL, message, hint, is_certain)
    if is_certain:
        yield from _check_size(request)
        yield from _check_sharing(request, gpus)


def _demands(request: RunRequest, capacity: Capacity, gpus: int | None) -> Iterator[_Demand]:
    """Yield what a run asks for of which it is known how much there is."""
    resources, arguments = request.resources, read_docker_arguments(request.resources)
    instances, timeout = resources.instances, resources.timeout
    if limit := capacity.instances:
        text, limit_text = pluralize(instances, "instance"), f"{limit.value:.12g}"
        yield _Demand(_INSTANCE_COUNT, "resources.instance_count", instances, limit, text, limit_text)
    if arguments.cpus is not None and (limit := capacity.cpus):
        text = f"{arguments.cpus:g} processors"
        yield _Demand(_DOCKER_ARGS, "--cpus", arguments.cpus, limit, text, f"{limit.value:.12g}")
    if arguments.memory is not None and (limit := capacity.memory):
        text, limit_text = (f"{size / _GIB:.4g} GiB" for size in (arguments.memory, limit.value))
        yield _Demand(_DOCKER_ARGS, "--memory", arguments.memory, limit, f"{text} of memory", limit_text)
    if gpus is not None and (limit := capacity.gpus):
        of_instance = -(-gpus // instances)
        text = f"{pluralize(of_instance, 'GPU')}{' an instance' if instances > 1 else ''}"
        yield _Demand(COMPUTE_POINTER, "", of_instance, limit, text, f"{limit.value:.12g}")
    if timeout is not None and (limit := capacity.seconds):
        text = f"a time limit of {timeout:.12g} seconds"
        yield _Demand(_TIMEOUT, "limits.timeout", timeout, limit, text, f"{limit.value:.12g}")


def _check_size(request: RunRequest) -> Iterator[SupportProblem]:
    """Yield processors and memory of a container that a machine of the size of the compute has not, as on Azure ML."""
    arguments, size = read_docker_arguments(request.resources), _size_of(request)
    if size is None:
        return
    pairs = (
        ("--cpus", "processors", arguments.cpus, size.cpus),
        ("--memory", "GiB of memory", arguments.memory and arguments.memory / _GIB, size.memory_gib),
    )
    for option, noun, amount, available in pairs:
        if amount and amount > available:
            message = f"asks for {amount:.4g} {noun}, but a machine of its compute's size {size.name} has {available:g}"
            hint = f"lower {option}, or use a compute of a larger size"
            yield SupportProblem(_DOCKER_ARGS, _TOO_SMALL, message, hint, is_certain=False)


def _check_sharing(request: RunRequest, gpus: int | None) -> Iterator[SupportProblem]:
    """Yield that there are more processes than GPUs, of which Azure ML gives each process one."""
    instances, size = request.resources.instances, _size_of(request)
    processes = int(read_number(request.distribution.get("process_count_per_instance")) or 1)
    if gpus and processes * instances > gpus:
        all_processes, shared = processes * instances, f"the {pluralize(gpus, 'GPU')} of the run"
    elif not gpus and size and 0 < size.gpus < processes:
        all_processes, shared = processes, f"the {pluralize(size.gpus, 'GPU')} of a machine of size {size.name}"
    else:
        return
    message = f"{all_processes} processes share {shared}"
    hint = "lower distribution.process_count_per_instance, or give the run more GPUs"
    pointer = _PROCESS_COUNT if processes > 1 else _INSTANCE_COUNT
    yield SupportProblem(pointer, _SHARED, message, hint, is_certain=False)


def _size_of(request: RunRequest) -> VmSize | None:
    return find_vm_size(str(request.compute.spec.get("size") or ""))


def _find_waiting_trials(computes: Computes, asset: Asset, step: Step) -> Iterator[tuple[Subject, SupportProblem]]:
    limits, request = read_sweep_limits(step), computes.request_of(step.job.asset)
    slots = computes.capacity_for(request).slots
    if limits is None or limits.concurrent is None or slots is None:
        return
    at_once = int(slots.value // request.resources.instances)
    if limits.concurrent > at_once > 0:
        message = (
            f"{limits.concurrent} trials are to run at once, but the compute {request.compute.name} has slots for "
            f"{at_once} ({slots.source}): the others wait"
        )
        hint = " or ".join(filter(None, ("lower limits.max_concurrent_trials", slots.remedy)))
        problem = SupportProblem(_MAX_CONCURRENT, _WAITING, message, hint, is_certain=False)
        yield Subject(step.job.asset, asset, {"": step.places.get("", "")}), problem
