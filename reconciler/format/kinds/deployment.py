"""deployment: a model or a pipeline behind an endpoint. Recorded only."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, Site, words
from reconciler.format.rules import DEPLOYMENT_RULES

KIND = Kind(
    name="deployment",
    lifecycle=Lifecycle.NAMED,
    leaving=Leaving.DELETE,
    schemas=r".*deployment",
    keys=(
        words("name endpoint_name"),
        words("endpoint_name model"),
        words("name model instance_type"),
    ),
    within="endpoint_name",
    sites=(
        Site("/model", kind="model"),
        Site("/environment", kind="environment", file=True),
        Site("/compute", kind="compute"),
    ),
    in_place=words(
        "description tags instance_count scale_settings request_settings liveness_probe readiness_probe "
        "environment_variables app_insights_enabled"
    ),
    realises=lambda _spec: False,
    rules=DEPLOYMENT_RULES,
    order=10,
)
