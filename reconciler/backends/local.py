"""The backend `local`, as it is known before it is opened: runs are processes of this machine."""

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
_IGNORED_OF_COMPUTE = (Ignored("/*", "its runs are processes of this machine", is_usual=True),)

BACKEND = BackendPlugin(
    open="reconciler.backends._local:make_local_backend",
    support=Support(
        honoured={"job": _JOB},
        ignored={"job": _IGNORED_OF_JOB, "compute": _IGNORED_OF_COMPUTE},
    ),
    accepts=frozenset({Form.PREFIX}),
    is_host_bound=True,
)
