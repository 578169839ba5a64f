"""The backend `ray`, as it is known before it is opened: runs are jobs of a Ray cluster, each on one node."""

from __future__ import annotations

from reconciler.backends import local, slurm, ssh
from reconciler.model.plugins import BackendPlugin, Form
from reconciler.model.support import Honoured, Ignored, Support

ON_NODE = ("address", "cpus", "memory", "gpus_per_run")
"""Settings that say where Ray is, and what it is asked for."""
TOKEN = "/token"  # noqa: S105 - the name of the field
_OF_SLURM = slurm.BACKEND.settings["properties"]  # which has the same need of a folder that all nodes see
_OF_MACHINE = ("machine", "port", "user", "host_key", "known_hosts")
_BY_RAY = "settings of the backend in mlgit.yml say what Ray is asked for"
_IGNORED_REASONS = {
    "/resources/shm_size": "the shared memory of its node is not limited for a run",
    "/resources/docker_args": "runs are processes of a node and in no container",
    "/resources/instance_type": _BY_RAY,
    "/resources/locations": _BY_RAY,
    "/resources/properties": _BY_RAY,
    "/resources/max_instance_count": "a run has one node, and no other joins it",
    "/identity": "a run has the rights of the user that Ray runs as, and is not signed in to Azure",
    "/queue_settings": "Ray decides when a run starts",
}
_LOCAL = local.BACKEND.support
_INSTANCES = "/resources/instance_count"
_JOB = (
    *(entry for entry in _LOCAL.honoured["job"] if entry.pointer != _INSTANCES),
    Honoured(_INSTANCES, ("1",), None, "a run on Ray has one node"),
)
_IGNORED_OF_JOB = tuple(
    entry._replace(reason=_IGNORED_REASONS.get(entry.pointer, entry.reason)) for entry in _LOCAL.ignored["job"]
)
_IGNORED_OF_COMPUTE = (
    Ignored("/ssh_settings", "machine:, user: and secrets: of mlgit.yml say how the machine that submits is reached"),
    Ignored("/min_instances", "the cluster has the nodes that it has: mlgit makes and scales none"),
    Ignored("/max_instances", "Ray decides how many runs go on at once: mlgit makes and scales no cluster"),
    Ignored("/*", _BY_RAY, is_usual=True),
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
        "cpus": {
            "description": "Processors of each run, in Ray's count; if omitted, one.",
            "type": "number",
            "exclusiveMinimum": 0,
        },
        "memory": {
            "type": "string",
            "description": "Memory of each run, in Ray's count, as in 16g; if omitted, none is counted.",
            "pattern": r"^(?=.*[1-9])[0-9]+(\.[0-9]+)?[kKmMgGtT]$",
            "errorMessage": "a size with its unit, such as 16g",
        },
        "gpus_per_run": {
            "description": "GPUs that each run takes; if omitted, none.",
            "type": "integer",
            "minimum": 0,
        },
    },
    "required": ["address", "folder"],
    "dependentRequired": {name: ["machine"] for name in _OF_MACHINE if name != "machine"},
    "additionalProperties": False,
}

BACKEND = BackendPlugin(
    open="reconciler.backends._ray:make_ray_backend",
    settings=_SETTINGS,
    support=Support(
        honoured={"job": _JOB, "compute": ()},
        ignored={"job": _IGNORED_OF_JOB, "compute": _IGNORED_OF_COMPUTE},
    ),
    accepts=frozenset({Form.PREFIX}),
    find_refusals="reconciler.backends._ray_find:find_refusals",
    checked_at_submission={"address": "whether Ray can be reached, and has a node for what each run asks for"},
    variables=frozenset({"SSH_AUTH_SOCK"}),
    secrets=(TOKEN, *ssh.BACKEND.secrets),
)
