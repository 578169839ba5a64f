"""featurestore: a workspace for features. Recorded only."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, word_set

KIND = Kind(
    name="featurestore",
    lifecycle=Lifecycle.SINGLETON,
    deletion_policy=DeletionPolicy.KEEP,
    schema_pattern=r"featurestore",
    key_sets=(word_set("name compute_runtime"),),
    common_key_sets=(word_set("name offline_store"),),
    in_place_fields=word_set("description tags display_name"),
    is_supported=lambda _spec: False,
    rule_set="featurestore",
    order=1,
)
