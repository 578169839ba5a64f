"""featurestore-entity: the index columns that feature sets share. Recorded only."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, word_set
from reconciler.format.rules import FEATURESTORE_ENTITY_RULES

KIND = Kind(
    name="featurestore-entity",
    lifecycle=Lifecycle.VERSIONED,
    deletion_policy=DeletionPolicy.ARCHIVE,
    schema_pattern=r"featurestoreentity",
    common_key_sets=(word_set("name index_columns"),),
    in_place_fields=word_set("description tags stage"),
    is_supported=lambda _spec: False,
    rules=FEATURESTORE_ENTITY_RULES,
    order=4,
)
