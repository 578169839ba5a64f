"""What the backends of clusters do with fields of jobs and computes: a run is processes of its nodes, as on `local`."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.backends import local
from reconciler.model.support import NUMBER, Honoured, Ignored, Support

_LOCAL = local.BACKEND.support
_INSTANCES = "/resources/instance_count"
_MOST_NOTE = "max_instances is the most instances that one run can have; how many runs go on at once, {} decides"
_RAY_NOTE = (
    f"{local.RAY_NOTE}; on several nodes it opens ports on all of their addresses, which ask for the token of the run "
    "from Ray 2.52 on"
)
_BY_SETTINGS = ("/resources/instance_type", "/resources/locations", "/resources/properties")


def cluster_support(name: str, asked: str, identity: str, queue: str, of_compute: tuple[Ignored, ...] = ()) -> Support:
    """Return the support table of a backend whose runs are jobs of a cluster, each with as many nodes as instances.

    ``asked`` says what the settings of the backend decide, ``identity`` and ``queue`` why these fields are ignored;
    ``of_compute`` are more fields of computes that are ignored for other reasons.
    """
    by_settings = f"settings of the backend in mlgit.yml say {asked}"
    reasons = {
        "/resources/shm_size": "the shared memory of its node is not limited for a run",
        "/resources/docker_args": "runs are processes of a node and in no container",
        **dict.fromkeys(_BY_SETTINGS, by_settings),
        "/resources/max_instance_count": "no other node joins a run",
        "/identity": identity,
        "/queue_settings": queue,
    }
    by_ssh = "machine:, user: and secrets: of mlgit.yml say how the machine that submits is reached"
    return Support(
        honoured={
            "job": (
                *(
                    entry._replace(note=_RAY_NOTE) if entry.note == local.RAY_NOTE else entry
                    for entry in _LOCAL.honoured["job"]
                    if entry.pointer != _INSTANCES
                ),
                *_on_nodes(name),
            ),
            "compute": (Honoured("/max_instances", (NUMBER,), note=_MOST_NOTE.format(name)),),
        },
        ignored={
            "job": tuple(
                entry._replace(reason=reasons.get(entry.pointer, entry.reason)) for entry in _LOCAL.ignored["job"]
            ),
            "compute": (Ignored("/ssh_settings", by_ssh), *of_compute, Ignored("/*", by_settings, is_usual=True)),
        },
    )


def _on_nodes(name: str) -> Iterator[Honoured]:
    """Yield the entries about several instances, of which each is a node."""
    for entry in _LOCAL.honoured["job"]:
        if entry.pointer == _INSTANCES:
            yield entry._replace(note=f"each instance is a node that {name} chooses") if entry.when else entry
