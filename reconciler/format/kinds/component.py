"""component: a reusable pipeline step with declared inputs and outputs."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, ReferenceSite, word_set
from reconciler.format.kinds._reference_sites import JOB_ENVIRONMENT, code_sites, pipeline_sites

KIND = Kind(
    name="component",
    lifecycle=Lifecycle.VERSIONED,
    deletion_policy=DeletionPolicy.ARCHIVE,
    schema_pattern=r".*component",
    key_sets=(
        word_set("name command environment code"),
        word_set("name type command environment"),
        word_set("name type jobs outputs"),
    ),
    common_key_sets=(word_set("name command environment"),),
    excluded_keys=word_set("compute experiment_name limits services"),
    types=word_set("command pipeline parallel spark automl import data_transfer"),
    in_place_fields=word_set("description tags display_name properties"),
    reference_sites=(
        *code_sites(),
        ReferenceSite("/environment", kind="environment", allows_file_prefix=True),
        *pipeline_sites(),
    ),
    uses_store=True,
    inlined_fields=JOB_ENVIRONMENT,
    rule_set="component",
    order=6,
)
