"""The files of a Ray cluster that mlgit makes, in a folder that all of its hosts see, and its autoscaler's settings.

``cluster.json`` says what the cluster is to be: its hosts, and ``share`` if all are nodes of one machine, which is how
many of them share what it has. ``token`` is what Ray asks of those who use it, ``wanted.json`` has the
hosts that Ray's autoscaler wants a node on, and ``hosts`` has the state of each host and its sign of life.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from reconciler.abbreviation import join_some
from reconciler.backends._ray_api import RayApi
from reconciler.model.resources import DEFAULT_MAX_INSTANCES
from reconciler.regular_files import read_regular_file
from reconciler.runner.files import read_json_object, write_json_atomically

HEAD = "head"
GCS_PORT, DASHBOARD_PORT = 6379, 8265
DEFAULT_IDLE_SECONDS = 120
LIMITS = ("min_instances", "max_instances", "idle_time_before_scale_down")
"""The fields of a compute that its cluster follows."""
_HINT = "mlgit has made the cluster: `mlgit drift` tells whether its head is up, and `mlgit apply` makes it again"
_SILENT_SECONDS = 15.0  # after which an agent without a sign of life has ended; one is due every second
_SECONDS_OF_MINUTE = 60.0
_MAX_BYTES = 1 << 20  # of cluster.json


def is_local(cluster: Mapping[str, Any]) -> bool:
    """Return True if all nodes of a cluster are on one machine, in a network of their own."""
    return "share" in cluster


def node_names(hosts: int) -> tuple[str, ...]:
    """Return the names of the hosts of a cluster: the first is that of the head."""
    return (HEAD, *(f"node-{number}" for number in range(1, hosts)))


def wanted_nodes(cluster: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the nodes that a cluster is to have at most; on one machine it may have had more."""
    names = node_names(len(cluster["hosts"]))[1:]
    most = int(cluster["limits"].get("max_instances", DEFAULT_MAX_INSTANCES))
    return names[:most] if is_local(cluster) else names


def machine_names(hosts: Sequence[Mapping[str, Any]], *, is_local: bool) -> dict[str, str]:
    """Return the nodes on the hosts of a cluster, without its head, and where they are as messages say it."""
    names = node_names(len(hosts))[1:]
    machines = [str(host["machine"]) for host in hosts[1:]]
    labels = (f"{name} on {machine}" if is_local else machine for name, machine in zip(names, machines, strict=True))
    return dict(zip(names, labels, strict=True))


def describe_problem(machines: Mapping[str, str], silent: Iterable[str], waiting: Mapping[str, str]) -> str:
    """Return which nodes are not as they should be, "" if all are."""
    parts = [f"{machines[name]} gives no sign of life" for name in sorted(silent)]
    parts += [f"Ray does not start on {machines[name]}: {words}" for name, words in waiting.items()]
    return join_some(parts, separator="; ")


def files_of_backend(folder: Path, backend: str) -> ClusterFiles:
    """Return the files of the cluster of a backend, which can have any name, below the folder of the backend."""
    return ClusterFiles(folder / "clusters" / f"backend-{quote(backend, safe='')}")


class ClusterFiles(NamedTuple):
    """The files of one cluster."""

    folder: Path

    @property
    def token(self) -> Path:
        """The file with the token of Ray."""
        return self.folder / "token"

    @property
    def autoscaler(self) -> Path:
        """The settings of Ray's autoscaler, which reads them again and again."""
        return self.folder / "autoscaler.yaml"

    @property
    def provider(self) -> Path:
        """The folder with the module that the autoscaler imports."""
        return self.folder / "provider"

    def host(self, name: str) -> Path:
        """Return what marks the processes of a host, beside which its files are."""
        return self.folder / "hosts" / name

    def read(self) -> Mapping[str, Any]:
        """Return what the cluster is to be; empty if there is none."""
        return read_json_object(self.folder / "cluster.json") or {}

    def is_of(self, token: str) -> bool:
        """Return True unless there is certainly no cluster with a token: a disk that fails removes none."""
        try:
            document = json.loads(read_regular_file(self.folder / "cluster.json", _MAX_BYTES))
        except FileNotFoundError:
            return False
        except (OSError, ValueError):
            return True
        return bool(document.get("token") == token)

    def write(self, cluster: Mapping[str, Any]) -> None:
        """Set what the cluster is to be."""
        write_json_atomically(self.folder / "cluster.json", dict(cluster))

    def read_wanted(self) -> tuple[str, ...]:
        """Return the hosts that are to have a node."""
        return tuple((read_json_object(self.folder / "wanted.json") or {}).get("hosts", ()))

    def read_state(self, name: str) -> Mapping[str, Any]:
        """Return the state of a host, and what it has; empty if its agent was never started."""
        return read_json_object(self.host(name).with_suffix(".json")) or {}

    def write_state(self, name: str, state: Mapping[str, Any]) -> None:
        """Set the state of a host."""
        write_json_atomically(self.host(name).with_suffix(".json"), dict(state), synced=False)

    def beat(self, name: str) -> None:
        """Give a sign of life of a host."""
        self.host(name).with_suffix(".beat").touch(mode=0o600)

    def is_silent(self, name: str) -> bool:
        """Return True if the agent of a host has ended, by the clock of the disk that all hosts write to."""
        clock = self.folder / f"clock.{os.uname().nodename}"
        clock.touch(mode=0o600)
        with suppress(FileNotFoundError):
            return clock.stat().st_mtime - self.host(name).with_suffix(".beat").stat().st_mtime > _SILENT_SECONDS
        return True

    def find_silent(self, cluster: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the nodes of a cluster whose agents have ended."""
        return tuple(name for name in wanted_nodes(cluster) if self.is_silent(name))

    def find_waiting(self, cluster: Mapping[str, Any]) -> dict[str, str]:
        """Return why Ray does not start on nodes of a cluster that are wanted."""
        wanted = self.read_wanted()
        states = {name: self.read_state(name) for name in wanted_nodes(cluster) if name in wanted}
        return {name: state["message"] for name, state in states.items() if state.get("state") == "waiting"}

    def find_problem(self) -> str:
        """Return why the cluster has fewer nodes than Ray wants, "" if it has not."""
        cluster = self.read()
        machines = machine_names(cluster["hosts"], is_local=is_local(cluster)) if cluster else {}
        return describe_problem(machines, self.find_silent(cluster), self.find_waiting(cluster)) if cluster else ""

    def open_api(self) -> RayApi | None:
        """Return the API of the cluster, None if there is no cluster."""
        hosts = self.read().get("hosts")
        try:
            token = self.token.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return RayApi(f"http://{hosts[0]['address']}:{DASHBOARD_PORT}", token, hint=_HINT) if hosts else None

    def resources(self) -> tuple[Mapping[str, float], ...]:
        """Return what the nodes have that the cluster can have, by Ray's names."""
        cluster = self.read()
        names = node_names(len(cluster.get("hosts", ())))[1:]
        return tuple(self.resources_of(name, cluster) for name in names)

    def resources_of(self, name: str, cluster: Mapping[str, Any]) -> Mapping[str, float]:
        """Return what one node of a cluster has: all of its host, or its share of a machine that has several."""
        found: Mapping[str, float] = self.read_state(name).get("resources", {})
        if not is_local(cluster):
            return found
        return {resource: _share(resource, value, cluster["share"]) for resource, value in found.items()}


def _share(resource: str, value: float, count: int) -> float:
    """Return what one of several nodes has of a resource of their machine; each has a processor."""
    return max(1, value // count) if resource == "CPU" else value // count


def make_autoscaler_settings(folder: Path, cluster: Mapping[str, Any], resources: tuple[Any, ...]) -> str:
    """Return the settings of Ray's autoscaler: a type of node for each host, of which there is one at most.

    JSON is YAML. https://docs.ray.io/en/latest/cluster/vms/references/ray-cluster-configuration.html
    """
    names = node_names(len(cluster["hosts"]))
    limits = cluster["limits"]
    least, most = int(limits.get("min_instances", 0)), int(limits.get("max_instances", DEFAULT_MAX_INSTANCES))
    types = {
        name: {
            "resources": dict(found),
            "min_workers": 1 if number < least else 0,
            "max_workers": 1,
            "node_config": {},
        }
        for number, (name, found) in enumerate(zip(names[1:], resources, strict=True))
    }
    head = {"resources": {"CPU": 0}, "min_workers": 0, "max_workers": 0, "node_config": {}}
    return json.dumps(
        {
            "cluster_name": "mlgit",
            "max_workers": most,
            "idle_timeout_minutes": limits.get("idle_time_before_scale_down", DEFAULT_IDLE_SECONDS)
            / _SECONDS_OF_MINUTE,
            "upscaling_speed": 1000,
            "provider": {
                "type": "external",
                "module": "mlgit_hosts.HostProvider",
                "folder": str(folder),
                "addresses": dict(zip(names, (host["address"] for host in cluster["hosts"]), strict=True)),
                "disable_node_updaters": True,
                "disable_launch_config_check": True,
                "foreground_node_launch": True,
                "worker_liveness_check": False,
                "worker_rpc_drain": True,
            },
            "head_node_type": HEAD,
            "available_node_types": {HEAD: head, **types},
            # What the agents do in its place; the autoscaler wants the fields.
            "auth": {},
            "file_mounts": {},
            "cluster_synced_files": [],
            "file_mounts_sync_continuously": False,
            **{
                name: []
                for name in (
                    *("initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands"),
                    *("head_start_ray_commands", "worker_start_ray_commands"),
                )
            },
        },
        indent=1,
    )
