"""workspace: what this repository is. The live state itself realises it."""

from reconciler.format.kind import Kind, Leaving, Lifecycle

KIND = Kind(
    name="workspace",
    lifecycle=Lifecycle.NAMED,
    leaving=Leaving.KEEP,
    schemas=frozenset({"workspace"}),
    keys=(frozenset({"name", "resource_group"}),),
    in_place=frozenset({"description", "tags", "display_name"}),
    order=1,
)
