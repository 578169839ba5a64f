"""data-import: data brought in from a database or another store. Recorded only."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, words
from reconciler.format.rules import DATA_IMPORT_RULES

KIND = Kind(
    name="data-import",
    lifecycle=Lifecycle.VERSIONED,
    leaving=Leaving.ARCHIVE,
    schemas=r"data_?import|dataindex",
    keys=(words("name path source"),),
    realises=lambda _spec: False,
    rules=DATA_IMPORT_RULES,
    order=4,
)
