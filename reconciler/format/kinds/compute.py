"""compute: where jobs run. mlgit.yml binds each to a backend, which realises it."""

from reconciler.format.kind import Kind, Leaving, Lifecycle

KIND = Kind(
    name="compute",
    lifecycle=Lifecycle.NAMED,
    leaving=Leaving.DELETE,
    schemas=frozenset({"amlcompute"}),
    keys=(frozenset({"name", "type", "max_instances"}),),
    in_place=frozenset({"description", "tags", "min_instances", "max_instances", "idle_time_before_scale_down"}),
    bound=True,
    order=2,
)
