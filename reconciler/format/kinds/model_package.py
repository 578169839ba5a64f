"""model-package: a model with the environment and server that serve it. Recorded only."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, word_set

KIND = Kind(
    name="model-package",
    lifecycle=Lifecycle.VERSIONED,
    deletion_policy=DeletionPolicy.ARCHIVE,
    schema_pattern=r"modelversionpackage|modelpackage",
    key_sets=(
        word_set("base_environment_source target_environment"),
        word_set("inferencing_server target_environment"),
    ),
    is_supported=lambda _spec: False,
    rule_set="model_package",
    order=9,
)
