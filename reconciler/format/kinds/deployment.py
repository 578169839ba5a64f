"""deployment: a model or a pipeline that serves an endpoint. Recorded only."""

from reconciler.format.kind import DeletionPolicy, Kind, Lifecycle, ReferenceSite, word_set

KIND = Kind(
    name="deployment",
    lifecycle=Lifecycle.SINGLETON,
    deletion_policy=DeletionPolicy.DELETE,
    schema_pattern=r".*deployment",
    key_sets=(word_set("endpoint_name code_configuration"), word_set("endpoint_name model environment")),
    common_key_sets=(
        word_set("name endpoint_name"),
        word_set("endpoint_name model"),
        word_set("name model instance_type"),
    ),
    parent_field="endpoint_name",
    reference_sites=(
        ReferenceSite("/model", kind="model"),
        ReferenceSite("/environment", kind="environment", allows_file_prefix=True),
        ReferenceSite("/compute", kind="compute"),
    ),
    in_place_fields=word_set(
        "description tags instance_count scale_settings request_settings liveness_probe readiness_probe "
        "environment_variables app_insights_enabled"
    ),
    is_supported=lambda _spec: False,
    rule_set="deployment",
    order=10,
)
