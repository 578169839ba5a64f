"""registry: assets shared between workspaces. Recorded only."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, words
from reconciler.format.rules import REGISTRY_RULES

KIND = Kind(
    name="registry",
    lifecycle=Lifecycle.NAMED,
    leaving=Leaving.DELETE,
    schemas=r"registry",
    keys=(words("name replication_locations"),),
    in_place=words("description tags replication_locations"),
    realises=lambda _spec: False,
    rules=REGISTRY_RULES,
    order=1,
)
