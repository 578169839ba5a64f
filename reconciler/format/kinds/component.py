"""component: a reusable pipeline step with declared inputs and outputs."""

from reconciler.format.kind import DeletionPolicy, FileContent, Kind, Lifecycle, word_set
from reconciler.format.kinds._reference_sites import (
    CODE_SITES,
    ENVIRONMENT_SITES,
    NODE_SITES,
    PIPELINE_SITES,
    TASK_SITES,
)

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
    reference_sites=(*CODE_SITES, *ENVIRONMENT_SITES, *TASK_SITES, *PIPELINE_SITES),
    node_sites=NODE_SITES,
    uses_store=True,
    file_content=FileContent.NODE,
    rule_set="component",
    order=6,
)
