"""component: a reusable step with declared inputs and outputs."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, Site

KIND = Kind(
    name="component",
    lifecycle=Lifecycle.VERSIONED,
    leaving=Leaving.ARCHIVE,
    schemas=frozenset({"commandcomponent"}),
    in_place=frozenset({"description", "tags", "display_name"}),
    sites=(Site("/code", local=True), Site("/environment", kind="environment")),
    stored=True,
    order=6,
)
