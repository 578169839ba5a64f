"""The backend `local`, as it is known before it is opened: runs are processes of this machine, in slots."""

from __future__ import annotations

from reconciler.model.plugins import BackendPlugin, Form
from reconciler.model.support import Honoured, Ignored, Support

_JOB = (
    Honoured("/command"),
    Honoured("/code"),
    Honoured("/environment"),
    Honoured("/environment_variables"),
    Honoured("/compute"),
    Honoured("/inputs/*"),
    Honoured("/inputs/*/value"),
    Honoured("/inputs/*/type"),
    Honoured("/inputs/*/path"),
    Honoured("/inputs/*/mode", ("ro_mount", "download", "direct")),
    Honoured("/outputs/*/type"),
    Honoured("/limits/timeout"),
    Honoured("/resources/instance_count", ("1",)),
)
_IGNORED_OF_JOB = (
    Ignored("/parent_job_name", "runs are listed by job, and not below another run"),
    Ignored("/resources/shm_size", "the shared memory of this machine is not limited for a run"),
    Ignored("/outputs/*/mode", "outputs are stored when the run has ended", ("rw_mount", "mount", "upload")),
)
_COMPUTE = (Honoured("/max_instances"),)
_IGNORED_OF_COMPUTE = (Ignored("/*", "its runs are processes of this machine", is_usual=True),)

_SETTINGS = {
    "type": "object",
    "properties": {
        "slots": {
            "description": "Runs at once on a compute that declares no max_instances; if omitted, one for each core.",
            "type": "integer",
            "minimum": 1,
        },
        "gpus": {
            "description": "GPUs of the machine: their number, or their names as in CUDA_VISIBLE_DEVICES.",
            "oneOf": [
                {"type": "integer", "minimum": 0},
                {"type": "array", "items": {"type": ["integer", "string"]}, "uniqueItems": True},
            ],
        },
        "gpus_per_run": {
            "description": "GPUs that each run takes; if omitted, one, and none on a compute of a size without GPUs.",
            "type": "integer",
            "minimum": 0,
        },
    },
    "additionalProperties": False,
}

BACKEND = BackendPlugin(
    open="reconciler.backends._local:make_local_backend",
    settings=_SETTINGS,
    support=Support(
        honoured={"job": _JOB, "compute": _COMPUTE},
        ignored={"job": _IGNORED_OF_JOB, "compute": _IGNORED_OF_COMPUTE},
    ),
    accepts=frozenset({Form.PREFIX}),
    is_host_bound=True,
)
