"""schedule: a job, monitor or import that starts at given times. Recorded only."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, word_set

KIND = Kind(
    name="schedule",
    lifecycle=Lifecycle.SINGLETON,
    deletion_policy=DeletionPolicy.DELETE,
    schema_pattern=r".*schedule",
    key_sets=(
        word_set("trigger create_job"),
        word_set("trigger create_monitor"),
        word_set("trigger import_data"),
    ),
    in_place_fields=word_set("description tags display_name trigger create_job is_enabled"),
    is_supported=lambda _spec: False,
    rule_set="schedule",
    order=11,
)
