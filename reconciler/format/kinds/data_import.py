"""data-import: data imported from a database or another storage service. Recorded only."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, word_set
from reconciler.format.rules import DATA_IMPORT_RULES

KIND = Kind(
    name="data-import",
    lifecycle=Lifecycle.VERSIONED,
    deletion_policy=DeletionPolicy.ARCHIVE,
    schema_pattern=r"data_?import|dataindex",
    common_key_sets=(word_set("name path source"),),
    is_supported=lambda _spec: False,
    rules=DATA_IMPORT_RULES,
    order=4,
)
