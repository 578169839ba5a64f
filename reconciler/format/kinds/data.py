"""data: a versioned file, folder or table, kept in the store by content."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, Site

KIND = Kind(
    name="data",
    lifecycle=Lifecycle.VERSIONED,
    leaving=Leaving.ARCHIVE,
    schemas=frozenset({"data"}),
    sites=(Site("/path", local=True),),
    stored=True,
    order=4,
)
