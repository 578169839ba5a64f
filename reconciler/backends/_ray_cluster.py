"""Ray clusters that mlgit makes: one for each backend with ``hosts:``, of the compute that is bound to it.

The first host has the head, which runs no jobs; Ray's own autoscaler has nodes on the others, of which agents start and
stop Ray (`_ray_cluster_agent`). Each host is asked by ssh. A handle has the settings with which its cluster was made,
so that it is found where it is after mlgit.yml has changed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from typing import Any, TypeVar

from reconciler.abbreviation import join_some
from reconciler.backends._node_channel import Connection
from reconciler.backends._ray_cluster_answers import ClusterState, read_found, read_state
from reconciler.backends._ray_cluster_files import HEAD, LIMITS, node_names
from reconciler.backends._ray_cluster_settings import find_ssh_settings
from reconciler.backends._ssh import connect_by_ssh
from reconciler.backends.ray import TOKEN
from reconciler.diagnostics import UserError
from reconciler.model import Asset, Condition, Handle, Json, Phase
from reconciler.model.plugins import BackendContext
from reconciler.model.resources import CLUSTER_SETTINGS, DEFAULT_MAX_INSTANCES

T = TypeVar("T")
_UNREACHABLE = "backend-unreachable"
_PROVIDER, _NODE_PROVIDER = "ray", "_ray_cluster_provider.py"


def _ignore(_answer: Any) -> Any:
    """Return nothing: what was to be done was done."""


class RayClusters:
    """The provider of the compute that is bound to a backend; ``settings`` are those of the backend."""

    def __init__(self, settings: Mapping[str, Json], context: BackendContext) -> None:
        self._settings, self._context = settings, context
        self._connections: dict[str, Connection] = {}

    def read(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        return {handle: self._read(handle) for handle in handles}

    def create(self, asset: Asset, token: str) -> Handle:
        handle = self._handle(token)
        found = self._ask(handle, HEAD, "find", read_found)
        if not found.was_started:
            self._end_nodes(handle)
            hosts = [
                {"machine": host["machine"], "address": host["address"], "ray": self._settings.get("ray") or "ray"}
                for host in self._settings["hosts"]
            ]
            cluster = {"token": token, "hosts": hosts, "limits": _limits(asset)}
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
        errors = [error for name in _nodes(handle) if (error := self._join(handle, name))]
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
        """End what runs on the nodes; one that cannot be reached does so itself when its agent sees no cluster."""
        for name in _nodes(handle):
            try:
                self._ask(handle, name, "leave")
            except UserError as error:
                if error.diagnostics[0].code != _UNREACHABLE:
                    raise

    def _read(self, handle: Handle) -> Condition:
        try:
            found = self._ask(handle, HEAD, "read", lambda answer: read_state(answer, _nodes(handle)))
        except UserError as error:
            return Condition(Phase.UNKNOWN, message=error.diagnostics[0].message)
        head = handle.data["hosts"][0]["machine"]
        if found is None:
            return Condition(Phase.GONE, message=f"{head} has no such Ray cluster")
        state = found.state
        if state == "failed":
            return Condition(Phase.FAILED, message=f"Ray does not start on {head}: {found.message}")
        if state == "ended" or not found.has_agent:
            return Condition(Phase.GONE, message=f"the head of the Ray cluster on {head} has ended")
        if state != "running":
            return Condition(Phase.PENDING, message=f"Ray starts on {head}")
        return Condition(Phase.READY, message=_find_problem(handle, found), settings=_live_limits(handle, found))

    def _handle(self, token: str) -> Handle:
        own = {name: self._settings[name] for name in CLUSTER_SETTINGS if name in self._settings}
        return Handle(_PROVIDER, token, {**own, "backend": self._context.name})

    def _ask(self, handle: Handle, host: str, do: str, read: Callable[[Any], T] = _ignore, **request: Any) -> T:
        """Return what a function reads in the answer of a host."""
        with self._connect(handle, host).channel() as channel:
            return read(channel.ask({"do": do, "name": host, "token": handle.id, **request}))

    def _connect(self, handle: Handle, name: str) -> Connection:
        key = f"{handle.id} {name}"
        if key not in self._connections:
            host = handle.data["hosts"][(HEAD, *_nodes(handle)).index(name)]
            opening = {"backend": "ray-cluster", "settings": {"name": handle.data["backend"]}}
            self._connections[key] = connect_by_ssh(find_ssh_settings(handle.data, host), self._context, opening)
        return self._connections[key]


def make_clusters(settings: Mapping[str, Json], context: BackendContext) -> RayClusters:
    """Return the provider of the compute of a backend with its settings in mlgit.yml."""
    return RayClusters(settings, context)


def _nodes(handle: Handle) -> tuple[str, ...]:
    return node_names(len(handle.data["hosts"]))[1:]


def _limits(asset: Asset) -> dict[str, Json]:
    return {name: asset.spec[name] for name in LIMITS if name in asset.spec}


def _live_limits(handle: Handle, found: ClusterState) -> dict[str, Json]:
    """Return the limits that the cluster follows; it has no more nodes than hosts whose agents are alive."""
    limits: dict[str, Json] = dict(found.limits)
    usable = len(_nodes(handle)) - len(found.silent)
    if usable < min(len(_nodes(handle)), int(limits.get("max_instances", DEFAULT_MAX_INSTANCES))):
        limits["max_instances"] = usable
    return limits


def _find_problem(handle: Handle, found: ClusterState) -> str:
    """Return why the cluster has fewer nodes than Ray wants, "" if it has not."""
    machines = dict(zip(_nodes(handle), (host["machine"] for host in handle.data["hosts"][1:]), strict=True))
    parts = [f"{machines[name]} gives no sign of life" for name in sorted(found.silent)]
    parts += [f"Ray does not start on {machines[name]}: {words}" for name, words in found.waiting.items()]
    return join_some(parts, separator="; ")
