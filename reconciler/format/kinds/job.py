"""job: a command, pipeline, sweep or similar, run once per fingerprint."""

from reconciler.format.kind import (
    DESCRIPTIVE_FIELDS,
    DeletionPolicy,
    FileContent,
    Kind,
    Lifecycle,
    ReferenceSite,
    word_set,
)
from reconciler.format.kinds._nested_specs import is_composite, split_job
from reconciler.format.kinds._reference_sites import (
    COMPUTE_SITE,
    ENVIRONMENT_SITES,
    INPUT_SITES,
    NODE_SITES,
    OUTPUT_SITE,
    PIPELINE_SITES,
)

KIND = Kind(
    name="job",
    lifecycle=Lifecycle.RUNNABLE,
    deletion_policy=DeletionPolicy.ARCHIVE,
    schema_pattern=r".*job",
    key_sets=(
        word_set("command compute"),
        word_set("command experiment_name"),
        word_set("jobs experiment_name"),
        word_set("trial search_space"),
        word_set("training_data model_provider"),
        word_set("teacher_model_endpoint_connection student_model"),
    ),
    common_key_sets=(
        word_set("jobs type"),
        word_set("jobs settings"),
        word_set("environment compute"),
        word_set("entry compute"),
        word_set("entry resources"),
        word_set("task training_data"),
    ),
    types=word_set("command pipeline sweep automl spark import finetuning distillation data_transfer"),
    # Fields that decide where, for how long or under which title a job runs do not change its result.
    in_place_fields=word_set(
        "description tags properties display_name experiment_name compute limits resources services "
        "queue_settings identity settings"
    ),
    ignored_fields=word_set("$schema name id status log_files creation_context parameters"),
    reference_sites=(
        ReferenceSite("/code", allows_local_path=True),
        *ENVIRONMENT_SITES,
        COMPUTE_SITE,
        *INPUT_SITES,
        OUTPUT_SITE,
        *PIPELINE_SITES,
    ),
    split_nested=split_job,
    node_sites=NODE_SITES,
    is_supported=lambda spec: is_composite(spec) or str(spec.get("type", "command")).lower() == "command",
    secret_fields=word_set("teacher_model_endpoint_connection"),
    descriptive_fields=DESCRIPTIVE_FIELDS | word_set("/type /experiment_name /outputs/*/name /outputs/*/version"),
    file_content=FileContent.NODE,
    rule_set="job",
    order=7,
)
