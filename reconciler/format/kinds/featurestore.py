"""featurestore: a workspace that keeps features. Recorded only."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, words
from reconciler.format.rules import FEATURESTORE_RULES

KIND = Kind(
    name="featurestore",
    lifecycle=Lifecycle.NAMED,
    leaving=Leaving.KEEP,
    schemas=r"featurestore",
    keys=(words("name offline_store"), words("name compute_runtime")),
    in_place=words("description tags display_name"),
    realises=lambda _spec: False,
    rules=FEATURESTORE_RULES,
    order=1,
)
