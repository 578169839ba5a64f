"""compute: a machine or cluster that runs jobs. mlgit.yml binds it to a backend."""

from reconciler.format.kind import DESCRIPTIVE_FIELDS, DeletionPolicy, Kind, Lifecycle, word_set

KIND = Kind(
    name="compute",
    lifecycle=Lifecycle.SINGLETON,
    deletion_policy=DeletionPolicy.DELETE,
    schema_pattern=r".*compute|computeinstance|kubernetes",
    key_sets=(word_set("name type resource_id"), word_set("type resource_id")),
    any_type_keys=word_set("name type resource_id"),
    common_key_sets=(word_set("name type size"), word_set("name type max_instances"), word_set("name resource_id")),
    types=word_set("amlcompute computeinstance kubernetes virtualmachine synapsespark"),
    distinctive_types=word_set("amlcompute computeinstance synapsespark"),
    in_place_fields=word_set(
        "description tags min_instances max_instances idle_time_before_scale_down identity schedules "
        "idle_time_before_shutdown idle_time_before_shutdown_minutes namespace default_instance_type instance_types"
    ),
    uses_backend=True,
    descriptive_fields=DESCRIPTIVE_FIELDS | word_set("/type"),
    secret_fields=word_set("ssh_settings"),
    rule_set="compute",
    order=2,
)
