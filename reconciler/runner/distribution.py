"""The processes of a distributed job, and the variables by which the frameworks find each other.

The instances of a job are machines on Azure ML; here all of them are this one, unless they have hosts of their own.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

RANK_OPTION = "--mpi-rank"  # of the runner: one process of a job with MPI, by the folder of `mpi`
RAY_TEMPORARY_FILE = "ray-temporary"  # in the folder of an instance: where its Ray node has its temporary folder
_HOST = "127.0.0.1"
_WORKER, _PARAMETER_SERVER = "worker", "ps"
_DEVICES_VARIABLE = "CUDA_VISIBLE_DEVICES"
_RAY_PORTS = ("port", "dashboard_port", "client_port")  # of the head, of which a job can set the first two
# Whatever has a usual port would be in the way of the next cluster on the machine.
_RAY_ARGUMENTS = ("head_node_additional_args", "worker_node_additional_args")
_RAY_OPTIONS = (
    *("--block", "--log-style=record", "--log-color=false"),
    *("--dashboard-agent-listen-port=0", "--min-worker-port=0", "--max-worker-port=0"),
)


@dataclass(frozen=True, slots=True)
class MpiLaunch:
    """What ``mpirun`` starts: ``count`` ranks for each instance.

    ``hosts`` are the addresses of the instances, none if all are this machine.
    """

    count: int = 1
    instances: int = 1
    hosts: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The number of ranks."""
        return self.count * self.instances


@dataclass(frozen=True, slots=True)
class RayNode:
    """The node of a Ray cluster that an instance is: its number, and that of all ``nodes``.

    ``head`` is the address of the first one with its port, ``client_port`` a free port there, and ``options`` are those
    of ``ray start``. ``sharing`` is how many of the nodes are on the same machine.
    """

    number: int
    nodes: int
    head: str
    client_port: int
    options: tuple[str, ...]
    sharing: int = 1

    @property
    def is_on_loopback(self) -> bool:
        """True if all nodes are on one machine, and have its loopback interface."""
        return self.head.startswith(f"{_HOST}:")


@dataclass(frozen=True, slots=True)
class ProcessRole:
    """What one process of a job is: how the log and messages call it, its variables, and the instance that it is of.

    The ``label`` is "" if the job has no other process. The job is done when all but its servers are. With ``mpi``, the
    process is ``mpirun`` or a daemon of it, which starts those of the job. With ``ray``, a server is a node of the Ray
    cluster of the job, and the other process is the command, which waits for all nodes.
    """

    label: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    is_server: bool = False
    instance: int = 0
    mpi: MpiLaunch | None = None
    ray: RayNode | None = None


def port_instances(distribution: Mapping[str, Any], instances: int = 1) -> tuple[int, ...]:
    """Return the instance of each of the free ports that the processes of a job need."""
    match distribution.get("type"):
        case "pytorch":
            return (0,)
        case "ray":
            return (0,) * len(_RAY_PORTS)
        case "tensorflow":
            return tuple(index % instances for _, index in _list_tasks(_task_counts(distribution, instances)))
        case _:
            return ()


def count_workers(distribution: Mapping[str, Any], instances: int = 1) -> int:
    """Return how many processes of a job compute; parameter servers do not."""
    if distribution.get("type") == "tensorflow":
        return _task_counts(distribution, instances)[_WORKER]
    return _process_count(distribution) * instances


def process_roles(
    distribution: Mapping[str, Any], ports: Sequence[int], instances: int = 1, hosts: Sequence[str] = ()
) -> tuple[ProcessRole, ...]:
    """Return the processes of a job, at least one; raises ValueError for what is not done.

    The ``ports`` are those of `port_instances`, and ``hosts`` the addresses of the instances, none if all are this one.
    """
    addresses = hosts or (_HOST,) * instances
    match distribution.get("type"):
        case None if instances == 1:
            return (ProcessRole(),)
        case "pytorch":
            return _pytorch_roles(_process_count(distribution), instances, ports[0], addresses[0])
        case "tensorflow":
            return _tensorflow_roles(_task_counts(distribution, instances), ports, addresses)
        case "parallel":
            return _instance_roles(instances, addresses[0])
        case "mpi":
            return _mpi_roles(_process_count(distribution), instances, hosts)
        case "ray":
            return _ray_roles(distribution, ports, addresses, 1 if hosts else instances)
        case other:
            raise ValueError(f"distribution {other} with {_process_count(distribution) * instances} processes")


def share_devices(variables: Mapping[str, str], instance: int, instances: int) -> dict[str, str]:
    """Return the variable that shows an instance its part of the devices of the run; none if there are too few."""
    devices = variables.get(_DEVICES_VARIABLE, "").split(",")
    size = len(devices) // instances
    if instances == 1 or not size:
        return {}
    return {_DEVICES_VARIABLE: ",".join(devices[instance * size : (instance + 1) * size])}


def _process_count(distribution: Mapping[str, Any]) -> int:
    return _number(distribution, "process_count_per_instance", 1)


def _task_counts(distribution: Mapping[str, Any], instances: int) -> dict[str, int]:
    """Return the number of tasks of each type; by default there is one worker for each instance."""
    servers = _number(distribution, "parameter_server_count", 0)
    return {_WORKER: _number(distribution, "worker_count", instances), _PARAMETER_SERVER: servers}


def _list_tasks(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(task_type, index) for task_type, count in counts.items() for index in range(count)]


def _number(distribution: Mapping[str, Any], name: str, default: int) -> int:
    """Return a number of processes; YAML may have it as text."""
    return max(min(default, 1), int(float(distribution.get(name) or default)))


def _pytorch_roles(count: int, instances: int, port: int, host: str) -> tuple[ProcessRole, ...]:
    """Return the processes that ``torch.distributed`` starts from its environment, as many on each instance."""
    size = count * instances
    shared = {"MASTER_ADDR": host, "MASTER_PORT": str(port), "WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(count)}
    shared["AZ_BATCHAI_PYTORCH_INIT_METHOD"] = f"tcp://{host}:{port}"
    return tuple(
        ProcessRole(
            label=f"rank {rank}" if size > 1 else "",
            variables={
                **shared,
                **_node_variables(rank // count, instances, host),
                **_process_name("rank", rank),
                "NODE_RANK": str(rank // count),
                "RANK": str(rank),
                "LOCAL_RANK": str(rank % count),
            },
            instance=rank // count,
        )
        for rank in range(size)
    )


def _tensorflow_roles(counts: Mapping[str, int], ports: Sequence[int], hosts: Sequence[str]) -> tuple[ProcessRole, ...]:
    """Return the processes of a cluster of TensorFlow; one without parameter servers has none in its description.

    The tasks of each type take turns on the instances.
    """
    tasks, instances = _list_tasks(counts), len(hosts)
    cluster: dict[str, list[str]] = {}
    for (task_type, index), port in zip(tasks, ports, strict=True):
        cluster.setdefault(task_type, []).append(f"{hosts[index % instances]}:{port}")
    return tuple(
        ProcessRole(
            label=f"{task_type} {index}" if len(tasks) > 1 else "",
            variables={
                "TF_CONFIG": json.dumps(
                    {"cluster": cluster, "task": {"type": task_type, "index": index}, "environment": "cloud"}
                ),
                **_node_variables(index % instances, instances, hosts[0]),
                **_process_name(task_type, index),
            },
            is_server=task_type == _PARAMETER_SERVER,
            instance=index % instances,
        )
        for task_type, index in tasks
    )


def _instance_roles(instances: int, host: str) -> tuple[ProcessRole, ...]:
    """Return the processes of a parallel step: one for each instance, which starts workers itself."""
    return tuple(
        ProcessRole(f"instance {number}", _node_variables(number, instances, host), instance=number)
        for number in range(instances)
    )


def _mpi_roles(count: int, instances: int, hosts: Sequence[str]) -> tuple[ProcessRole, ...]:
    """Return ``mpirun`` and its daemons on the other machines; a process that is alone needs neither."""
    if count * instances == 1:
        return (ProcessRole(variables=mpi_variables(0, 1, 1)),)
    launch = MpiLaunch(count, instances, tuple(hosts))
    return tuple(ProcessRole("mpirun", instance=number, mpi=launch) for number in range(len(hosts) or 1))


def _ray_roles(
    distribution: Mapping[str, Any], ports: Sequence[int], hosts: Sequence[str], sharing: int
) -> tuple[ProcessRole, ...]:
    """Return the command, which is on the first instance, and the node of Ray that each instance is."""
    port, dashboard_port, client_port = (
        _number(distribution, name, 0) or free for name, free in zip(_RAY_PORTS, ports, strict=True)
    )
    # With any other address Ray opens ports on all of the machine, which the other loopback addresses are of, too.
    places = [_HOST if host.startswith("127.") else host for host in hosts]
    head, count = f"{places[0]}:{port}", len(places)
    has_dashboard = str(distribution.get("include_dashboard")).lower() == "true"
    dashboard = ("--include-dashboard=true", f"--dashboard-port={dashboard_port}")
    of_head = ("--head", f"--port={port}", *(dashboard if has_dashboard else ("--include-dashboard=false",)))
    roles = []
    for number, host in enumerate(places):
        more = shlex.split(str(distribution.get(_RAY_ARGUMENTS[bool(number)]) or ""))
        own = (f"--address={head}",) if number else of_head
        options = (*own, f"--node-ip-address={host}", *_RAY_OPTIONS, *more)
        node = RayNode(number, count, head, 0 if number else client_port, options, sharing)
        label, variables = f"ray {number}" if count > 1 else "ray", _node_variables(number, count, hosts[0])
        if not number:
            roles.append(ProcessRole(variables={**variables, "RAY_ADDRESS": head}, ray=node))
        roles.append(ProcessRole(label, variables, is_server=True, instance=number, ray=node))
    return tuple(roles)


def mpi_variables(rank: int, count: int, instances: int, host: str = _HOST) -> dict[str, str]:
    """Return the variables of a rank of MPI, as Open MPI and Azure ML set them, if each instance has ``count`` ranks.

    ``host`` is the address of the first instance.
    """
    local = str(rank % count)
    own = {"OMPI_COMM_WORLD_RANK": str(rank), "OMPI_COMM_WORLD_LOCAL_RANK": local, "OMPI_COMM_WORLD_NODE_RANK": local}
    sizes = {"OMPI_COMM_WORLD_SIZE": str(count * instances), "OMPI_COMM_WORLD_LOCAL_SIZE": str(count)}
    return {
        **own,
        **sizes,
        "AZ_BATCHAI_MPI_MASTER_NODE": host,
        **_node_variables(rank // count, instances, host),
        **_process_name("rank", rank),
    }


def _node_variables(instance: int, instances: int, host: str) -> dict[str, str]:
    """Return what Azure ML says of the machine of a process; ``host`` is that of the first one."""
    ranks = {"AZUREML_NODE_COUNT": str(instances), "AZUREML_CR_NODE_RANK": str(instance)}
    return {**ranks, "AZ_BATCHAI_JOB_MASTER_NODE_IP": host}


def _process_name(kind: str, index: int) -> dict[str, str]:
    return {"AZUREML_PROCESS_NAME": f"{kind}_{index}"}
