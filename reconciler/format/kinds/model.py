"""model: a versioned model, from files or from the output of a job."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, ReferenceSite, word_set

KIND = Kind(
    name="model",
    lifecycle=Lifecycle.VERSIONED,
    deletion_policy=DeletionPolicy.ARCHIVE,
    schema_pattern=r"model",
    common_key_sets=(word_set("name path flavors"),),
    types=word_set("custom_model mlflow_model triton_model"),
    distinctive_types=word_set("custom_model mlflow_model triton_model"),
    in_place_fields=word_set("description tags stage properties"),
    reference_sites=(ReferenceSite("/path", allows_local_path=True),),
    uses_store=True,
    is_model=True,
    is_data=True,
    rule_set="model",
    order=8,
)
