"""The processes of a distributed job on one machine, and the variables by which the frameworks find each other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_HOST = "127.0.0.1"
_WORKER, _PARAMETER_SERVER = "worker", "ps"


@dataclass(frozen=True, slots=True)
class ProcessRole:
    """What one process of a job is: how the log and messages call it, and its variables.

    The ``label`` is "" if the job has no other process. The job is done when all but its servers are.
    """

    label: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    is_server: bool = False


def count_ports(distribution: Mapping[str, Any]) -> int:
    """Return how many free ports the processes of a job need."""
    match distribution.get("type"):
        case "pytorch":
            return 1
        case "tensorflow":
            return sum(_task_counts(distribution).values())
        case _:
            return 0


def count_workers(distribution: Mapping[str, Any]) -> int:
    """Return how many processes of a job compute; parameter servers do not."""
    is_cluster = distribution.get("type") == "tensorflow"
    return _task_counts(distribution)[_WORKER] if is_cluster else _process_count(distribution)


def process_roles(distribution: Mapping[str, Any], ports: Sequence[int]) -> tuple[ProcessRole, ...]:
    """Return the processes of a job, at least one; raises ValueError for what one machine does not do."""
    match distribution.get("type"):
        case None:
            return (ProcessRole(),)
        case "pytorch":
            return _pytorch_roles(_process_count(distribution), ports[0])
        case "tensorflow":
            return _tensorflow_roles(_task_counts(distribution), ports)
        case "mpi" if _process_count(distribution) == 1:
            return (ProcessRole(variables=_mpi_variables()),)
        case other:
            raise ValueError(f"distribution {other} with {_process_count(distribution)} processes")


def _process_count(distribution: Mapping[str, Any]) -> int:
    return _number(distribution, "process_count_per_instance", 1)


def _task_counts(distribution: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of tasks of each type; the default of the workers is the number of machines."""
    servers = _number(distribution, "parameter_server_count", 0)
    return {_WORKER: _number(distribution, "worker_count", 1), _PARAMETER_SERVER: servers}


def _number(distribution: Mapping[str, Any], name: str, default: int) -> int:
    """Return a number of processes; YAML may have it as text."""
    return max(default, int(float(distribution.get(name) or default)))


def _pytorch_roles(count: int, port: int) -> tuple[ProcessRole, ...]:
    """Return the processes that ``torch.distributed`` starts from its environment."""
    size = str(count)
    shared = {"MASTER_ADDR": _HOST, "MASTER_PORT": str(port), "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
    shared |= {"NODE_RANK": "0", "AZ_BATCHAI_PYTORCH_INIT_METHOD": f"tcp://{_HOST}:{port}", **_node_variables()}
    return tuple(
        ProcessRole(
            label=f"rank {rank}" if count > 1 else "",
            variables={**shared, **_process_name("rank", rank), "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(count)
    )


def _tensorflow_roles(counts: Mapping[str, int], ports: Sequence[int]) -> tuple[ProcessRole, ...]:
    """Return the processes of a cluster of TensorFlow; one without parameter servers has none in its description."""
    tasks = [(task_type, index) for task_type, count in counts.items() for index in range(count)]
    cluster: dict[str, list[str]] = {}
    for (task_type, _), port in zip(tasks, ports, strict=True):
        cluster.setdefault(task_type, []).append(f"{_HOST}:{port}")
    return tuple(
        ProcessRole(
            label=f"{task_type} {index}" if len(tasks) > 1 else "",
            variables={
                "TF_CONFIG": json.dumps(
                    {"cluster": cluster, "task": {"type": task_type, "index": index}, "environment": "cloud"}
                ),
                **_node_variables(),
                **_process_name(task_type, index),
            },
            is_server=task_type == _PARAMETER_SERVER,
        )
        for task_type, index in tasks
    )


def _mpi_variables() -> dict[str, str]:
    """Return what Open MPI sets for the only process of a job."""
    ranks = {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_LOCAL_RANK": "0", "OMPI_COMM_WORLD_NODE_RANK": "0"}
    sizes = {"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "1"}
    return {**ranks, **sizes, "AZ_BATCHAI_MPI_MASTER_NODE": _HOST, **_node_variables(), **_process_name("rank", 0)}


def _node_variables() -> dict[str, str]:
    """Return what Azure ML says of the machine, the only one."""
    return {"AZUREML_NODE_COUNT": "1", "AZUREML_CR_NODE_RANK": "0", "AZ_BATCHAI_JOB_MASTER_NODE_IP": _HOST}


def _process_name(kind: str, index: int) -> dict[str, str]:
    return {"AZUREML_PROCESS_NAME": f"{kind}_{index}"}
