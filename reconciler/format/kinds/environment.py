"""environment: an image with packages on top, made by a builder."""

from reconciler.format.kind import Kind, Leaving, Lifecycle

KIND = Kind(
    name="environment",
    lifecycle=Lifecycle.VERSIONED,
    leaving=Leaving.ARCHIVE,
    schemas=frozenset({"environment"}),
    keys=(frozenset({"name", "image", "conda_file"}),),
    spliced=frozenset({"conda_file"}),
    built=True,
    order=5,
)
