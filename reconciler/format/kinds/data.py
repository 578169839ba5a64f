"""data: a versioned file, folder or table, stored by content."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, ReferenceSite, word_set

KIND = Kind(
    name="data",
    lifecycle=Lifecycle.VERSIONED,
    deletion_policy=DeletionPolicy.ARCHIVE,
    in_place_fields=word_set("description tags properties"),
    schema_pattern=r"data",
    excluded_keys=word_set("source"),
    types=word_set("uri_file uri_folder mltable"),
    distinctive_types=word_set("uri_file uri_folder mltable"),
    reference_sites=(ReferenceSite("/path", allows_local_path=True),),
    uses_store=True,
    is_data=True,
    rule_set="data",
    order=4,
)
