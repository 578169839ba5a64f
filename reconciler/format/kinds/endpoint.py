"""endpoint: an address that deployments answer behind, online, batch or serverless. Recorded only."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, words
from reconciler.format.rules import ENDPOINT_RULES

KIND = Kind(
    name="endpoint",
    lifecycle=Lifecycle.NAMED,
    leaving=Leaving.DELETE,
    schemas=r".*endpoint",
    keys=(
        words("name model_id"),
        words("name auth_mode"),
        words("name defaults"),
        words("name traffic"),
    ),
    in_place=words("description tags traffic mirror_traffic defaults"),
    realises=lambda _spec: False,
    rules=ENDPOINT_RULES,
    order=9,
)
