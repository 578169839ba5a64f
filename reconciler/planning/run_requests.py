"""What a job asks for, read from its file as its task will have it: resources, distribution, and its compute."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.model import Address, Asset, Json, Spec
from reconciler.model.capacity import RunRequest
from reconciler.model.docker_arguments import DockerArguments, parse_docker_arguments, parse_size
from reconciler.model.numbers import as_number
from reconciler.model.resources import Compute, Resources
from reconciler.planning.compute import compute_address, compute_name

FindSpec = Callable[[Address], Spec | None]
"""Returns the spec of a compute, None if it is not known."""


def make_run_request(job: Asset, find_spec: FindSpec) -> RunRequest:
    """Return what a run of a job asks for; what is no number was refused, and counts as if it was not set."""
    address = compute_address(job)
    compute = Compute(compute_name(job), (find_spec(address) if address else None) or {})
    return RunRequest(compute, read_resources(job.spec), read_distribution(job.spec))


def read_resources(spec: Mapping[str, Any]) -> Resources:
    """Return what a job asks for; a size or an argument that is none was refused when it was planned."""
    declared = _read_mapping(spec, "resources")
    arguments = declared.get("docker_args") or ""
    return Resources(
        max(1, int(read_number(declared.get("instance_count")) or 1)),
        shm=parse_size(str(declared["shm_size"])) if declared.get("shm_size") else None,
        timeout=read_number(_read_mapping(spec, "limits").get("timeout")),
        docker_args=arguments if isinstance(arguments, str) else shlex.join(map(str, arguments)),
    )


def read_distribution(spec: Mapping[str, Any]) -> Mapping[str, Json]:
    """Return a distribution with its type in lower case; Azure ML reads it in any case."""
    declared = _read_mapping(spec, "distribution")
    return {**declared, "type": str(declared.get("type") or "").lower()} if declared else {}


def read_docker_arguments(resources: Resources) -> DockerArguments:
    """Return what the arguments of ``docker run`` say, nothing if they are refused."""
    arguments = parse_docker_arguments(resources.docker_args)
    return DockerArguments() if isinstance(arguments, str) else arguments


def read_number(value: Json) -> float | None:
    """Return a number, which YAML may have as text; whole numbers stay whole. None for anything else."""
    number = as_number(value)
    return int(number) if number is not None and number.is_integer() else number


def _read_mapping(spec: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = spec.get(name)
    return value if isinstance(value, Mapping) else {}
