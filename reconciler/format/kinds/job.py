"""job: work that is run once for each change of what it depends on."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, Site, words
from reconciler.format.kinds._parts import input_kind, pipeline_sites
from reconciler.format.rules import JOB_RULES

KIND = Kind(
    name="job",
    lifecycle=Lifecycle.RUNNABLE,
    leaving=Leaving.ARCHIVE,
    schemas=r".*job",
    keys=(
        words("command compute"),
        words("command experiment_name"),
        words("jobs type"),
        words("jobs experiment_name"),
        words("trial search_space"),
        words("entry compute"),
        words("entry resources"),
        words("task training_data"),
        words("training_data model_provider"),
        words("teacher_model_endpoint_connection student_model"),
    ),
    types=words("command pipeline sweep automl spark import finetuning distillation data_transfer"),
    # What says where, how long or under which title a run happens does not change its result.
    in_place=words(
        "description tags properties display_name experiment_name compute limits resources services "
        "queue_settings identity"
    ),
    ignored=words("$schema name id status log_files creation_context parameters"),
    sites=(
        Site("/code", local=True),
        Site("/environment", kind="environment", file=True),
        Site("/compute", kind="compute"),
        Site("/inputs/*/path", kind=input_kind, local=True),
        *pipeline_sites(),
    ),
    realises=lambda spec: str(spec.get("type", "command")).lower() == "command",
    secret=words("teacher_model_endpoint_connection"),
    rules=JOB_RULES,
    order=7,
)
