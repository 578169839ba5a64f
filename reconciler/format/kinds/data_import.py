"""data-import: data imported from a database or another storage service. Recorded only."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, word_set

KIND = Kind(
    name="data-import",
    lifecycle=Lifecycle.VERSIONED,
    deletion_policy=DeletionPolicy.ARCHIVE,
    schema_pattern=r"data_?import|dataindex",
    common_key_sets=(word_set("name path source"),),
    is_supported=lambda _spec: False,
    rule_set="data_import",
    order=4,
)
