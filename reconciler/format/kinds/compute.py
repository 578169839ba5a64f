"""compute: where jobs run. mlgit.yml binds each to a backend, which realises it."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, words
from reconciler.format.rules import COMPUTE_RULES

KIND = Kind(
    name="compute",
    lifecycle=Lifecycle.NAMED,
    leaving=Leaving.DELETE,
    schemas=r".*compute|computeinstance|kubernetes",
    keys=(
        words("name type size"),
        words("name type max_instances"),
        words("name type resource_id"),
        words("name type"),
    ),
    types=words("amlcompute computeinstance kubernetes virtualmachine synapsespark"),
    in_place=words(
        "description tags min_instances max_instances idle_time_before_scale_down identity schedules "
        "idle_time_before_shutdown idle_time_before_shutdown_minutes namespace default_instance_type instance_types"
    ),
    bound=True,
    secret=words("ssh_settings"),
    rules=COMPUTE_RULES,
    order=2,
)
