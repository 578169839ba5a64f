"""featurestore-entity: what features are about, with its index columns. Recorded only."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, words
from reconciler.format.rules import FEATURESTORE_ENTITY_RULES

KIND = Kind(
    name="featurestore-entity",
    lifecycle=Lifecycle.VERSIONED,
    leaving=Leaving.ARCHIVE,
    schemas=r"featurestoreentity",
    keys=(words("name index_columns"),),
    in_place=words("description tags stage"),
    realises=lambda _spec: False,
    rules=FEATURESTORE_ENTITY_RULES,
    order=4,
)
