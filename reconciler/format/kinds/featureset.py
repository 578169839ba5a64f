"""featureset: a set of features and the code that computes them. Recorded only."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, word_set

KIND = Kind(
    name="featureset",
    lifecycle=Lifecycle.VERSIONED,
    deletion_policy=DeletionPolicy.ARCHIVE,
    schema_pattern=r"featureset",
    common_key_sets=(word_set("name specification entities"),),
    in_place_fields=word_set("description tags stage"),
    is_supported=lambda _spec: False,
    rule_set="featureset",
    order=5,
)
