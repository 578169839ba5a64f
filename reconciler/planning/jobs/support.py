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

_BY_THE_RUN = "a step has one run, which has the log and the metrics of all its workers"

PARALLEL_SUPPORT = Support(
    honoured={
        _JOB: (
            Honoured("/input_data"),
            Honoured("/mini_batch_size", reason="files, or bytes such as `10kb`"),
            Honoured("/partition_keys", reason="columns of an `mltable`"),
            Honoured("/max_concurrency_per_instance"),
            Honoured("/retry_settings/max_retries"),
            Honoured("/retry_settings/timeout"),
            Honoured("/mini_batch_error_threshold"),
            Honoured("/error_threshold"),
            Honoured("/logging_level", ("debug", "info", "warning")),
            Honoured("/task/type", ("run_function", "function"), None, "it applies no registered model by itself"),
            Honoured("/task/entry_script"),
            Honoured("/task/append_row_to"),
            Honoured("/program_arguments/error_threshold"),
            Honoured("/program_arguments/allowed_failed_percent"),
            Honoured("/program_arguments/task_overhead_timeout"),
            Honoured("/program_arguments/first_task_creation_timeout"),
            Honoured("/program_arguments/progress_update_timeout"),
            Honoured("/program_arguments/append_row_file_name"),
        )
    },
    ignored={
        _JOB: (
            Ignored("/program_arguments/copy_logs_to_parent", _BY_THE_RUN),
            Ignored("/program_arguments/push_metrics_to_parent", _BY_THE_RUN),
            Ignored("/program_arguments/resource_monitor_interval", "the use of processors and memory is not recorded"),
        )
    },
)
NODE_SUPPORT = {"parallel": PARALLEL_SUPPORT}
"""What mlgit does itself of nodes of pipelines, by their type: they are no jobs of their own."""

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
