"""What mlgit does itself of pipelines and sweeps; their steps and trials are checked by the providers as commands."""

from __future__ import annotations

from reconciler.model.support import Honoured, Ignored, Support

_OWN_DATASTORES = (
    "azureml:workspaceblobstore",
    "azureml:workspacefilestore",
    "azureml:workspaceartifactstore",
    "azureml:workspaceworkingdirectory",
)
KNOWN_SETTINGS = frozenset(
    {"default_compute", "default_datastore", "continue_on_step_failure", "force_rerun", "on_init", "on_finalize"}
)
"""The settings of a pipeline that Azure ML knows; it ignores all others."""

_JOB = "job"
_OUTPUTS = tuple(Honoured(f"/outputs/*{field}") for field in ("", "/type", "/path", "/mode"))
_OF_TRIALS = "as the backend of the trials does"

PIPELINE_SUPPORT = Support(
    honoured={
        _JOB: (
            Honoured("/jobs"),
            Honoured("/component"),
            Honoured("/inputs"),
            *_OUTPUTS,
            Honoured("/compute"),
            Honoured("/settings/default_compute"),
            Honoured("/settings/continue_on_step_failure"),
            Honoured("/settings/force_rerun"),
        )
    },
    ignored={
        _JOB: (
            Ignored(
                "/settings/default_datastore",
                "outputs are kept in the object store",
                _OWN_DATASTORES,
                is_usual=True,
            ),
            Ignored("/identity", "a run has the rights of who starts it, and is not signed in to Azure"),
            Ignored("/services", "interactive applications are not started; the run ends when its steps have"),
        )
    },
)

SWEEP_SUPPORT = Support(
    honoured={
        _JOB: (
            Honoured("/trial"),
            Honoured("/inputs"),
            *_OUTPUTS,
            Honoured("/compute"),
            Honoured("/resources", reason=_OF_TRIALS),
            Honoured("/identity", reason=_OF_TRIALS),
            Honoured("/services", reason=_OF_TRIALS),
            Honoured("/queue_settings", reason=_OF_TRIALS),
            Honoured("/search_space"),
            Honoured("/sampling_algorithm"),
            Honoured("/objective/goal"),
            Honoured("/objective/primary_metric"),
            Honoured("/early_termination"),
            Honoured("/limits/max_total_trials"),
            Honoured("/limits/max_concurrent_trials"),
            Honoured("/limits/timeout"),
            Honoured("/limits/trial_timeout"),
        )
    }
)
