"""featureset: features and how they are computed. Recorded only."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, words
from reconciler.format.rules import FEATURESET_RULES

KIND = Kind(
    name="featureset",
    lifecycle=Lifecycle.VERSIONED,
    leaving=Leaving.ARCHIVE,
    schemas=r"featureset",
    keys=(words("name specification entities"),),
    in_place=words("description tags stage"),
    realises=lambda _spec: False,
    rules=FEATURESET_RULES,
    order=5,
)
