"""The backend `ray`, as it is known before it is opened: runs are jobs of a Ray cluster.

The cluster is one that exists at an ``address``, or one that mlgit makes on ``hosts`` (`_ray_cluster`).
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.backends import _ray_cluster_settings as made
from reconciler.backends import slurm, ssh
from reconciler.backends._cluster_capacity import count_ray_gpus, find_ray_capacity
from reconciler.backends._cluster_support import cluster_support
from reconciler.model.plugins import BackendPlugin, Form
from reconciler.model.support import Ignored

ON_NODE = ("address", "cpus", "memory", "gpus_per_run")
"""Settings that say where Ray is, and what it is asked for."""
TOKEN = "/token"  # noqa: S105 - the name of the field
_OF_SLURM = slurm.BACKEND.settings["properties"]  # which has the same need of a folder that all nodes see
_OF_MACHINE = ("machine", "port", "user", "host_key", "known_hosts")
_SUPPORT = cluster_support(
    "Ray",
    asked="what Ray is asked for",
    identity="a run has the rights of the user that Ray runs as, and is not signed in to Azure",
    queue="Ray decides when a run starts",
    of_compute=(Ignored("/min_instances", "the cluster has the nodes that it has: mlgit makes and scales none"),),
)
# Of a cluster that mlgit makes: what a compute says of it counts.
_SUPPORT_OF_MADE = replace(
    _SUPPORT,
    honoured={**_SUPPORT.honoured, "compute": made.COMPUTE},
    ignored={
        **_SUPPORT.ignored,
        "compute": tuple(
            entry
            for entry in _SUPPORT.ignored["compute"]
            if entry.pointer not in {item.pointer for item in made.COMPUTE}
        ),
    },
)

_SETTINGS = {
    "type": "object",
    "properties": {
        "address": {
            "type": "string",
            "description": "Address of the Ray dashboard, http://HEAD:8265, for the machine that submits.",
            "pattern": r"^https?://[^/\s?#@]+(/[^\s?#]*)?$",
            "errorMessage": "the address of a dashboard, such as http://head.example.com:8265",
        },
        **{name: _OF_SLURM[name] for name in ("folder", "python")},
        **{name: ssh.BACKEND.settings["properties"][name] for name in _OF_MACHINE},
        "machine": {
            **_OF_SLURM["machine"],
            "description": "The machine that submits jobs and sees the folder, by ssh; if omitted, this one.",
        },
        **made.PROPERTIES,
        "cpus": {
            "description": "Processors of a run on each node, in Ray's count; if omitted, one.",
            "type": "number",
            "exclusiveMinimum": 0,
        },
        "memory": {
            "type": "string",
            "description": "Memory of a run on each node, in Ray's count, as in 16g; if omitted, none is counted.",
            "pattern": r"^(?=.*[1-9])[0-9]+(\.[0-9]+)?[kKmMgGtT]$",
            "errorMessage": "a size with its unit, such as 16g",
        },
        "gpus_per_run": {
            "description": "GPUs that a run takes on each node; if omitted, none.",
            "type": "integer",
            "minimum": 0,
        },
    },
    "required": ["folder"],
    "if": {"required": ["hosts"]},
    "else": {"dependentRequired": {name: ["machine"] for name in _OF_MACHINE if name != "machine"}},
    "additionalProperties": False,
}

BACKEND = BackendPlugin(
    open="reconciler.backends._ray:make_ray_backend",
    settings=_SETTINGS,
    support=_SUPPORT,
    accepts=frozenset({Form.PREFIX}),
    check="reconciler.backends._ray_cluster_settings:check_settings",
    support_of_made=_SUPPORT_OF_MADE,
    open_clusters="reconciler.backends._ray_cluster:make_clusters",
    find_refusals="reconciler.backends._ray_find:find_refusals",
    checked_at_submission=dict.fromkeys(
        ("address", "hosts"), "whether Ray can be reached, and has a node for what each run asks for"
    ),
    variables=frozenset({"SSH_AUTH_SOCK"}),
    secrets=(TOKEN, *ssh.BACKEND.secrets),
    find_capacity=find_ray_capacity,
    count_gpus=count_ray_gpus,
    machine_capacity="reconciler.backends._ray_find:find_machine_capacity",
)
