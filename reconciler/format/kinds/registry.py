"""registry: assets shared between workspaces. Recorded only."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, word_set

KIND = Kind(
    name="registry",
    lifecycle=Lifecycle.SINGLETON,
    deletion_policy=DeletionPolicy.DELETE,
    schema_pattern=r"registry",
    key_sets=(word_set("name replication_locations"),),
    in_place_fields=word_set("description tags replication_locations"),
    is_supported=lambda _spec: False,
    rule_set="registry",
    order=1,
)
