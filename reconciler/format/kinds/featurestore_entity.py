"""featurestore-entity: the index columns that feature sets share. Recorded only."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, word_set

KIND = Kind(
    name="featurestore-entity",
    lifecycle=Lifecycle.VERSIONED,
    deletion_policy=DeletionPolicy.ARCHIVE,
    schema_pattern=r"featurestoreentity",
    common_key_sets=(word_set("name index_columns"),),
    in_place_fields=word_set("description tags stage"),
    is_supported=lambda _spec: False,
    rule_set="featurestore_entity",
    order=4,
)
