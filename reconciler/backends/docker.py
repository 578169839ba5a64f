"""The backend `docker`, as it is known before it is opened: runs are containers of an engine of this machine.

It has the slots, the queues and the support of the backend `local`; what a container adds is here.
"""

from __future__ import annotations

from reconciler.backends import local
from reconciler.backends._local_capacity import count_gpus, find_capacity
from reconciler.model.docker_arguments import SUPPORTED
from reconciler.model.plugins import BackendPlugin, Form
from reconciler.model.support import DOCKER_ARGUMENTS, SIZE, Honoured, Support

_MEMORY = {
    "type": "string",
    "pattern": r"^[0-9]+(\.[0-9]+)?[bBkKmMgGtT]?$",
    "errorMessage": "a size with its unit, such as 8g",
}
_INSTANCES = "all instances are processes of one container, each with a slot of the compute"
_OF_CONTAINERS = (
    Honoured("/resources/shm_size", (SIZE,)),
    Honoured("/resources/docker_args", (DOCKER_ARGUMENTS,), None, f"these are {SUPPORTED}"),
)
_POINTERS = {entry.pointer for entry in _OF_CONTAINERS}
_JOB = (
    *(
        entry._replace(note=_INSTANCES) if entry.note == local.INSTANCES_NOTE else entry
        for entry in local.BACKEND.support.honoured["job"]
    ),
    *_OF_CONTAINERS,
)
_IGNORED_OF_JOB = tuple(entry for entry in local.BACKEND.support.ignored["job"] if entry.pointer not in _POINTERS)

_SETTINGS = {
    "type": "object",
    "properties": {
        "engine": {
            "description": "Socket of a Docker engine of this machine; if omitted, DOCKER_HOST, or the usual one.",
            "type": "string",
            "pattern": "^unix:///",
            "errorMessage": "the socket of an engine of this machine, such as unix:///run/docker.sock",
        },
        "cpus": {"description": "Processors of each container.", "type": "number", "exclusiveMinimum": 0},
        "memory": {"description": "Memory of each container, as in 8g.", **_MEMORY},
        "shm_size": {"description": "Shared memory of a container whose job sets none; if omitted, 2g.", **_MEMORY},
        "network": {
            "description": "Network of the containers; none for no network. If omitted, that of the engine.",
            "type": "string",
            "minLength": 1,
            "not": {"enum": ["host"]},
        },
        "interpreter": {
            "description": "Folder of a Python 3.11 or newer of this machine for images that have none.",
            "type": "string",
            "pattern": "^/",
            "errorMessage": "the path of a folder, such as /opt/python-3.12",
        },
        **local.BACKEND.settings["properties"],
    },
    "additionalProperties": False,
}

BACKEND = BackendPlugin(
    open="reconciler.backends._docker:make_docker_backend",
    settings=_SETTINGS,
    support=Support(
        honoured={"job": _JOB, "compute": local.BACKEND.support.honoured["compute"]},
        ignored={"job": _IGNORED_OF_JOB, "compute": local.BACKEND.support.ignored["compute"]},
    ),
    accepts=frozenset({Form.IMAGE}),
    is_host_bound=True,
    find_refusals="reconciler.backends._docker_find:find_refusals",
    checked_at_submission={"gpus": "whether its Docker engine gives GPUs to containers"},
    check="reconciler.backends._local_capacity:check_settings",
    find_capacity=find_capacity,
    count_gpus=count_gpus,
    machine_capacity="reconciler.backends._local_capacity:find_container_capacity",
)
