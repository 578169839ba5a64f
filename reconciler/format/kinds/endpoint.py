"""endpoint: the address of online, batch or serverless deployments. Recorded only."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, word_set

KIND = Kind(
    name="endpoint",
    lifecycle=Lifecycle.SINGLETON,
    deletion_policy=DeletionPolicy.DELETE,
    schema_pattern=r".*endpoint",
    key_sets=(word_set("name auth_mode"),),
    common_key_sets=(
        word_set("name model_id"),
        word_set("model_id"),
        word_set("name defaults"),
        word_set("name traffic"),
    ),
    in_place_fields=word_set("description tags traffic mirror_traffic defaults"),
    is_supported=lambda _spec: False,
    rule_set="endpoint",
    order=9,
)
