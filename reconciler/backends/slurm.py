"""The backend `slurm`, as it is known before it is opened: runs are batch jobs of a cluster."""

from __future__ import annotations

from reconciler.backends import ssh
from reconciler.backends._cluster_capacity import count_slurm_gpus, find_slurm_capacity
from reconciler.backends._cluster_support import cluster_support
from reconciler.model.plugins import BackendPlugin, Form

_SSH = ssh.BACKEND.settings["properties"]
_OF_MACHINE = ("machine", "port", "user", "host_key", "known_hosts")
ON_NODE = (
    *("partition", "account", "qos", "reservation", "constraint", "nodelist", "exclude"),
    *("cpus", "memory", "gres", "time"),
)
"""Settings that say what Slurm is asked for."""
_SUPPORT = cluster_support(
    "Slurm",
    asked="what Slurm gives a run",
    identity="a run has the rights of who submits jobs to Slurm, and is not signed in to Azure",
    queue="Slurm decides when a run starts: see partition: and qos: of the backend",
)
_NAME = {
    "type": "string",
    "pattern": r"^[A-Za-z0-9_][A-Za-z0-9_.,@+-]*$",
    "errorMessage": "a name, as sinfo or sacctmgr shows it",
}
_NODES = {
    "type": "string",
    "pattern": r"^[A-Za-z0-9_][A-Za-z0-9_.,\[\]-]*$",
    "errorMessage": "names of nodes as sinfo shows them, such as node[1-4,7]",
}
_INSTANCES = "write resources.instance_count of a job, which is on how many nodes it runs"
_PROCESSES = "write distribution.process_count_per_instance of a job, which is how many processes each node has"
# What users of sbatch look for, and where it is said.
_ELSEWHERE = {
    "nodes": _INSTANCES,
    **dict.fromkeys(("tasks", "ntasks", "tasks_per_node", "ntasks_per_node"), _PROCESSES),
    **dict.fromkeys(("gpus", "gpus_per_node"), "write gres:, such as gres: gpu:2"),
}

_SETTINGS = {
    "type": "object",
    "properties": {
        "folder": {
            "type": "string",
            "description": "Folder that the machine that submits and all nodes see, for runs and the cache.",
            "pattern": r"^[/~][^\\\u0000-\u001f\u007f]*$",
            "errorMessage": "a whole path without backslashes, such as /shared/mlgit or ~/mlgit",
        },
        "python": {
            "type": "string",
            "minLength": 1,
            "description": "Python 3.11 or newer, the same on the machine that submits and on the nodes; or python3.",
        },
        **{name: _SSH[name] for name in _OF_MACHINE},
        "machine": {
            **_SSH["machine"],
            "description": "The machine that submits jobs, by ssh; if omitted, this one.",
        },
        "partition": {**_NAME, "description": "The partition, or several; if omitted, that of the cluster."},
        "account": {**_NAME, "description": "The account that runs are charged to."},
        "qos": {**_NAME, "description": "The quality of service."},
        "reservation": {**_NAME, "description": "The reservation of nodes."},
        "constraint": {
            "type": "string",
            "description": "Features that the node must have, as for --constraint of sbatch.",
            "pattern": r"^[A-Za-z0-9_.&|!,:()\[\]*=-]+$",
            "errorMessage": "features of nodes, such as a100 or intel&gpu",
        },
        "nodelist": {**_NODES, "description": "Nodes that each run gets, as for --nodelist of sbatch."},
        "exclude": {**_NODES, "description": "Nodes that no run gets."},
        "cpus": {
            "description": "Processors of a run on each node; if omitted, one.",
            "type": "integer",
            "minimum": 1,
        },
        "memory": {
            "type": "string",
            "description": "Memory of a run on each node; if omitted, as the partition says.",
            "pattern": "^[1-9][0-9]*[KMGT]$",
            "errorMessage": "a number and K, M, G or T, such as 16G",
        },
        "gres": {
            "type": "string",
            "description": "Devices of a run on each node, such as gpu:1.",
            "pattern": r"^[A-Za-z0-9_.:,-]+$",
            "errorMessage": "devices as sinfo -o %G shows them, such as gpu:a100:1",
        },
        "time": {
            "type": "string",
            "description": "The longest time that Slurm is asked for; a run ends before. If omitted, as its job says.",
            "pattern": "^[1-9][0-9]{0,5}[mhd]$",
            "errorMessage": "a number of minutes, hours or days, such as 90m, 12h or 2d",
        },
        **{name: {"not": {}, "description": text} for name, text in _ELSEWHERE.items()},
    },
    "required": ["folder"],
    "dependentRequired": {name: ["machine"] for name in _OF_MACHINE if name != "machine"},
    "additionalProperties": False,
}

BACKEND = BackendPlugin(
    open="reconciler.backends._slurm:make_slurm_backend",
    settings=_SETTINGS,
    support=_SUPPORT,
    accepts=frozenset({Form.PREFIX}),
    find_refusals="reconciler.backends._slurm_find:find_refusals",
    checked_at_submission={"folder": "whether Slurm takes its runs, and its nodes have the Python of the environment"},
    variables=frozenset({"SLURM_CONF", "SSH_AUTH_SOCK"}),
    secrets=ssh.BACKEND.secrets,
    check="reconciler.backends._ssh_settings:check_host_key",
    find_capacity=find_slurm_capacity,
    count_gpus=count_slurm_gpus,
    machine_capacity="reconciler.backends._slurm_find:find_machine_capacity",
)
