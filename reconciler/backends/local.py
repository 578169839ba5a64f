"""The backend `local`, as it is known before it is opened: runs are processes of this machine, in slots."""

from __future__ import annotations

from reconciler.backends._local_capacity import count_gpus, find_capacity
from reconciler.model.plugins import BackendPlugin, Form
from reconciler.model.support import NUMBER, RAY_ARGUMENTS, Condition, Honoured, Ignored, Support

_THIS_MACHINE = "its runs are processes of this machine"
INSTANCES_NOTE = "all instances are processes of this machine, each with a slot of the compute"
"""What a plan says of several instances; other backends say something else."""
RAY_NOTE = "ray of its environment starts a cluster for the run, on the loopback interface"
"""What a plan says of a Ray cluster that is on one machine."""
_MPIRUN = (
    "mpirun of the environment, or else of the machine, starts them, and opens a port on all addresses of the machine"
)
_PYTORCH = Condition("/distribution/type", "pytorch")
_TENSORFLOW = Condition("/distribution/type", "tensorflow")
_PARALLEL = Condition("/type", "parallel")
_MPI = Condition("/distribution/type", "mpi")
_RAY = Condition("/distribution/type", "ray")
_RAY_SETS = "each run has an address, ports and folders of its own: it sets --address, --port, --temp-dir and the like"
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
    Honoured("/inputs/*/mode", ("ro_mount", "download", "direct", "eval_mount", "eval_download")),
    Honoured("/outputs/*/type"),
    Honoured("/outputs/*/path"),
    Honoured("/outputs/*/mode", ("rw_mount", "mount", "upload", "direct")),
    Honoured("/limits/timeout", (NUMBER,)),
    Honoured("/resources/instance_count", ("1",), None, "more need distribution: pytorch, tensorflow, mpi or ray"),
    Honoured("/resources/instance_count", (NUMBER,), _PYTORCH, note=INSTANCES_NOTE),
    Honoured("/resources/instance_count", (NUMBER,), _TENSORFLOW, note=INSTANCES_NOTE),
    Honoured("/resources/instance_count", (NUMBER,), _MPI, note=INSTANCES_NOTE),
    Honoured("/resources/instance_count", (NUMBER,), _RAY, note=INSTANCES_NOTE),
    Honoured("/resources/instance_count", (NUMBER,), _PARALLEL, note=INSTANCES_NOTE),
    Honoured("/distribution/type", ("pytorch", "tensorflow", "mpi")),
    Honoured("/distribution/type", ("ray",), _RAY, note=RAY_NOTE),
    Honoured("/distribution/process_count_per_instance", (NUMBER,), _PYTORCH),
    Honoured("/distribution/process_count_per_instance", (NUMBER,), _MPI, note=_MPIRUN),
    Honoured("/distribution/worker_count", (NUMBER,)),
    Honoured("/distribution/parameter_server_count", (NUMBER,)),
    Honoured("/distribution/port", (NUMBER,)),
    Honoured("/distribution/include_dashboard", ("true", "false")),
    Honoured("/distribution/dashboard_port", (NUMBER,)),
    Honoured("/distribution/head_node_additional_args", (RAY_ARGUMENTS,), None, _RAY_SETS),
    Honoured("/distribution/worker_node_additional_args", (RAY_ARGUMENTS,), None, _RAY_SETS),
)
_IGNORED_OF_JOB = (
    Ignored("/parent_job_name", "runs are listed by job, and not below another run"),
    Ignored("/resources/shm_size", "the shared memory of this machine is not limited for a run"),
    Ignored("/resources/docker_args", "runs are processes of this machine and in no container"),
    Ignored("/resources/instance_type", _THIS_MACHINE),
    Ignored("/resources/locations", _THIS_MACHINE),
    Ignored("/resources/properties", _THIS_MACHINE),
    Ignored("/resources/max_instance_count", "a run has one machine, and no other joins it"),
    Ignored("/identity", "a run has the rights of who starts it, and is not signed in to Azure"),
    Ignored("/queue_settings", "runs start in the order in which they are submitted"),
    Ignored("/services", "interactive applications are not started; the run ends when its command does"),
)
_COMPUTE = (Honoured("/max_instances"),)
_IGNORED_OF_COMPUTE = (Ignored("/*", _THIS_MACHINE, is_usual=True),)

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
    accepts=frozenset({Form.PREFIX, Form.FIXED_PREFIX}),
    is_host_bound=True,
    variables=frozenset({"XDG_STATE_HOME"}),
    check="reconciler.backends._local_capacity:check_settings",
    find_capacity=find_capacity,
    count_gpus=count_gpus,
    machine_capacity="reconciler.backends._local_capacity:find_machine_capacity",
)
