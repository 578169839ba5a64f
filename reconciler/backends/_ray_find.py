"""What a plan asks of the backend `ray` on this machine, without opening it: whether it can submit what is planned.

Ray is asked by one request, for a moment at most, not by ssh, and without a token. What it says is a warning, as it
changes with the cluster, and another machine may apply the plan.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache

from reconciler.backends import _ssh_find
from reconciler.backends._ray_api import RayApi, RayTokenError
from reconciler.backends._ray_cluster_network import find_problem
from reconciler.backends._ray_cluster_settings import find_ssh_settings
from reconciler.backends._ray_node import describe_misfit, find_resources
from reconciler.diagnostics import Diagnostic, Severity, UserError
from reconciler.model import Json
from reconciler.model.capacity import Capacity, Limit, RunRequest, Settings
from reconciler.model.clusters import makes_local_cluster
from reconciler.model.resources import Resources

_SECONDS = 5.0  # that Ray has for an answer
_KEPT_SECONDS = 10.0  # that one answer counts for: a plan asks for each run
_Nodes = tuple[Mapping[str, float], ...]


def find_refusals(settings: Mapping[str, Json]) -> tuple[Diagnostic, ...]:
    """Return why this machine could submit no run, or no node of Ray has what all ask for."""
    if makes_local_cluster(settings):
        return tuple(_find_local_refusals(settings))
    if "hosts" in settings:
        return _ssh_find.find_refusals(find_ssh_settings(settings, settings["hosts"][0]))
    if "machine" in settings:
        return _ssh_find.find_refusals(settings)
    nodes = _list_nodes(settings)
    if isinstance(nodes, UserError):
        return tuple(item._replace(severity=Severity.WARNING) for item in nodes.diagnostics)
    if (misfit := describe_misfit(find_resources(Resources(), settings), nodes)) is None:
        return ()
    message, most = misfit
    hint = f"{most}; lower cpus:, memory: or gpus_per_run: of the backend in mlgit.yml"
    return (Diagnostic("compute-too-small", f"each run {message}", hint=hint, severity=Severity.WARNING),)


def find_machine_capacity(settings: Settings, _request: RunRequest) -> Capacity:
    """Return what Ray says of a compute: how many instances its nodes have room for at once."""
    nodes = _list_nodes(settings) if "address" in settings and "machine" not in settings else ()
    wanted = find_resources(Resources(), settings)
    count = 0 if isinstance(nodes, UserError) else sum(_count_fitting(wanted, node) for node in nodes)
    return Capacity(instances=Limit(count, "what the nodes of the Ray cluster have room for") if count else None)


def _find_local_refusals(settings: Mapping[str, Json]) -> Iterator[Diagnostic]:
    """Yield what a cluster on this machine lacks here."""
    ray = str(settings.get("ray") or "ray")
    if shutil.which(ray) is None:
        message, hint = f"this machine has no program {ray}", "ray: of the backend names the program `ray` of Ray 2"
        yield Diagnostic("cluster-host", message, hint=hint, severity=Severity.WARNING)
    if (problem := find_problem()) is not None:
        yield from (item._replace(severity=Severity.WARNING) for item in problem.diagnostics)


def _count_fitting(wanted: Mapping[str, float], node: Mapping[str, float]) -> int:
    return min(int(node.get(name, 0) // value) for name, value in wanted.items())


def _list_nodes(settings: Mapping[str, Json]) -> _Nodes | UserError:
    """Return the nodes of the cluster, none if it does not tell who has no token; an error if it does not answer."""
    return _list_nodes_at(str(settings["address"]), int(time.monotonic() // _KEPT_SECONDS))


@lru_cache(maxsize=16)
def _list_nodes_at(address: str, _moment: int) -> _Nodes | UserError:
    try:
        return RayApi(address, seconds=_SECONDS).list_nodes()
    except RayTokenError:
        return ()
    except UserError as error:
        return error
