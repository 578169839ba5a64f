"""Ray clusters that mlgit makes: one for each backend whose settings say so, of the compute that is bound to it.

With ``hosts:``, the first has the head, which runs no jobs; Ray's own autoscaler has nodes on the others, of which
agents start and stop Ray (`_ray_cluster_agent`). Each host is asked by ssh. Without, head and nodes are on this
machine, in a network of their own (`_ray_cluster_network`). A handle has the settings with which its cluster was made,
so that it is found where it is after mlgit.yml has changed.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from typing import Any, TypeVar

from reconciler.backends._node_channel import Connection, ProcessConnection
from reconciler.backends._ray_cluster_answers import ClusterState, read_found, read_state
from reconciler.backends._ray_cluster_files import HEAD, LIMITS, describe_problem, machine_names, node_names
from reconciler.backends._ray_cluster_network import address_of
from reconciler.backends._ray_cluster_settings import find_ssh_settings
from reconciler.backends._ssh import DEFAULT_PYTHON, connect_by_ssh
from reconciler.backends.ray import TOKEN
from reconciler.diagnostics import UserError, user_error
from reconciler.model import Asset, Condition, Handle, Json, Phase
from reconciler.model.clusters import CLUSTER_SETTINGS, HOSTS, MAX_LOCAL_NODES
from reconciler.model.plugins import BackendContext
from reconciler.model.resources import DEFAULT_MAX_INSTANCES

T = TypeVar("T")
_UNREACHABLE = "backend-unreachable"
_PROVIDER, _NODE_PROVIDER = "ray", "_ray_cluster_provider.py"
_MACHINE = "machine"  # of a handle: that of a cluster on one machine


def _ignore(_answer: Any) -> Any:
    """Return nothing: what was to be done was done."""


class RayClusters:
    """The provider of the compute that is bound to a backend; ``settings`` are those of the backend."""

    def __init__(self, settings: Mapping[str, Json], context: BackendContext) -> None:
        self._settings, self._context = settings, context
        self._connections: dict[str, Connection] = {}

    def read(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        return {handle: self._read(handle) for handle in handles}

    def check(self, asset: Asset) -> None:
        """Raise UserError if the host of the head is not reached, or one that is reached has no Ray that starts."""
        handle = self._handle("")
        for name in (HEAD, *node_names(len(_list_hosts(handle, asset)["hosts"]))[1:]):
            try:
                self._ask(handle, name, "check", ray=handle.data.get("ray") or "ray")
            except UserError as error:
                if name == HEAD or error.diagnostics[0].code != _UNREACHABLE:
                    raise
            if _is_local(handle):
                return

    def create(self, asset: Asset, token: str) -> Handle:
        handle = self._handle(token)
        found = self._ask(handle, HEAD, "find", read_found)
        if not found.was_started:
            self._end_nodes(handle)
            cluster = {"token": token, "limits": _limits(asset), **_list_hosts(handle, asset)}
            provider = files("reconciler").joinpath("backends", _NODE_PROVIDER).read_text("utf-8")
            secret = self._context.read_secret(TOKEN) or secrets.token_hex(32)
            self._ask(handle, HEAD, "open", cluster=cluster, provider=provider, secret=secret)
        self.update(handle, asset)
        return handle

    def find(self, token: str) -> Handle | None:
        handle = self._handle(token)
        return handle if self._ask(handle, HEAD, "find", read_found).has_files else None

    def update(self, handle: Handle, asset: Asset) -> None:
        """Set the limits, and start the agents that are not alive; the head is last, as it needs what others have.

        A host that fails stops no other one.
        """
        if _is_local(handle):
            self._ask(handle, HEAD, "resize", **_list_hosts(handle, asset))
        names = node_names(len(_list_hosts(handle, asset)["hosts"]))[1:]
        errors = [error for name in names if (error := self._join(handle, name))]
        self._ask(handle, HEAD, "scale", limits=_limits(asset))
        errors += [error for error in [self._join(handle, HEAD)] if error]
        if errors:
            raise errors[0]

    def _join(self, handle: Handle, name: str) -> UserError | None:
        """Have a host take part; return the error if it cannot."""
        try:
            self._ask(handle, name, "join", ray=handle.data.get("ray") or "ray")
        except UserError as error:
            return error
        return None

    def delete(self, handle: Handle) -> None:
        self._end_nodes(handle)
        self._ask(handle, HEAD, "close")

    def _end_nodes(self, handle: Handle) -> None:
        """End what runs on other machines; one that cannot be reached does so itself when its agent sees no cluster."""
        for name in () if _is_local(handle) else _find_machines(handle):
            try:
                self._ask(handle, name, "leave")
            except UserError as error:
                if error.diagnostics[0].code != _UNREACHABLE:
                    raise

    def _read(self, handle: Handle) -> Condition:
        machines = _find_machines(handle)
        try:
            found = self._ask(handle, HEAD, "read", lambda answer: read_state(answer, machines))
        except UserError as error:
            return Condition(Phase.UNKNOWN, message=error.diagnostics[0].message)
        head = _head_machine(handle)
        if found is None:
            return Condition(Phase.GONE, message=f"{head} has no such Ray cluster")
        state = found.state
        if state == "failed":
            return Condition(Phase.FAILED, message=f"Ray does not start on {head}: {found.message}")
        if state == "ended" or not found.has_agent:
            return Condition(Phase.GONE, message=f"the head of the Ray cluster on {head} has ended")
        if state != "running":
            return Condition(Phase.PENDING, message=f"Ray starts on {head}")
        limits = _live_limits(found, len(handle.data.get(HOSTS, ())) - 1)
        problem = describe_problem(machines, found.silent, found.waiting)
        return Condition(Phase.READY, message=problem, settings=limits)

    def _handle(self, token: str) -> Handle:
        own = {name: self._settings[name] for name in CLUSTER_SETTINGS if name in self._settings}
        place = {} if HOSTS in own else {_MACHINE: os.uname().nodename}
        return Handle(_PROVIDER, token, {**own, **place, "backend": self._context.name})

    def _ask(self, handle: Handle, host: str, do: str, read: Callable[[Any], T] = _ignore, **request: Any) -> T:
        """Return what a function reads in the answer of a host."""
        with self._connect(handle, host).channel() as channel:
            return read(channel.ask({"do": do, "name": host, "token": handle.id, **request}))

    def _connect(self, handle: Handle, name: str) -> Connection:
        key = f"{handle.id} {'' if _is_local(handle) else name}"
        if key not in self._connections:
            opening = {"backend": "ray-cluster", "settings": {"name": handle.data["backend"]}}
            self._connections[key] = self._open_connection(handle, name, opening)
        return self._connections[key]

    def _open_connection(self, handle: Handle, name: str, opening: Mapping[str, Any]) -> Connection:
        data = handle.data
        if not _is_local(handle):
            host = data[HOSTS][(HEAD, *_find_machines(handle)).index(name)]
            return connect_by_ssh(find_ssh_settings(data, host), self._context, opening)
        if data[_MACHINE] != os.uname().nodename:
            message = (
                f"the Ray cluster of the backend {data['backend']} is on {data[_MACHINE]}, and this is another machine"
            )
            hint = f"run the command on {data[_MACHINE]}, which host: of the backend names if it is set"
            raise user_error(_UNREACHABLE, message, hint)
        return ProcessConnection(data.get("python") or DEFAULT_PYTHON, data["folder"], opening)


def make_clusters(settings: Mapping[str, Json], context: BackendContext) -> RayClusters:
    """Return the provider of the compute of a backend with its settings in mlgit.yml."""
    return RayClusters(settings, context)


def _is_local(handle: Handle) -> bool:
    return HOSTS not in handle.data


def _head_machine(handle: Handle) -> str:
    return str(handle.data[_MACHINE] if _is_local(handle) else handle.data[HOSTS][0]["machine"])


def _find_machines(handle: Handle) -> dict[str, str]:
    """Return the nodes that a cluster can have, and where they are as messages say it."""
    if _is_local(handle):
        hosts = [{"machine": handle.data[_MACHINE]}] * (1 + MAX_LOCAL_NODES)
        return machine_names(hosts, is_local=True)
    return machine_names(handle.data[HOSTS], is_local=False)


def _list_hosts(handle: Handle, asset: Asset) -> dict[str, Json]:
    """Return the hosts of a cluster, each with its address and Ray; on one machine also how many nodes share it."""
    ray = handle.data.get("ray") or "ray"
    if not _is_local(handle):
        names = ("machine", "address")
        return {"hosts": [{**{name: host[name] for name in names}, "ray": ray} for host in handle.data[HOSTS]]}
    count, machine = int(asset.spec.get("max_instances", DEFAULT_MAX_INSTANCES)), handle.data[_MACHINE]
    hosts = [{"machine": machine, "address": address_of(number), "ray": ray} for number in range(count + 1)]
    return {"hosts": hosts, "share": max(1, count)}


def _limits(asset: Asset) -> dict[str, Json]:
    return {name: asset.spec[name] for name in LIMITS if name in asset.spec}


def _live_limits(found: ClusterState, hosts: int) -> dict[str, Json]:
    """Return the limits that the cluster follows; it has no more nodes than hosts of one whose agents are alive.

    On one machine, which is no such host, there are to be as many agents as nodes.
    """
    limits: dict[str, Json] = dict(found.limits)
    most = int(limits.get("max_instances", DEFAULT_MAX_INSTANCES))
    count = hosts if hosts > 0 else most
    usable = count - len(found.silent)
    if usable < min(count, most):
        limits["max_instances"] = usable
    return limits
