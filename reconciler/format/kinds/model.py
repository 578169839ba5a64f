"""model: a versioned model, from files or from the output of a job."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, Site

KIND = Kind(
    name="model",
    lifecycle=Lifecycle.VERSIONED,
    leaving=Leaving.ARCHIVE,
    schemas=frozenset({"model"}),
    in_place=frozenset({"description", "tags", "stage", "properties"}),
    sites=(Site("/path", local=True),),
    stored=True,
    order=8,
)
