"""schedule: a job, a monitor or an import that is started by the clock. Recorded only."""

from reconciler.format.kind import Kind, Leaving, Lifecycle, words
from reconciler.format.rules import SCHEDULE_RULES

KIND = Kind(
    name="schedule",
    lifecycle=Lifecycle.NAMED,
    leaving=Leaving.DELETE,
    schemas=r".*schedule",
    keys=(
        words("trigger create_job"),
        words("trigger create_monitor"),
        words("trigger import_data"),
    ),
    in_place=words("description tags display_name trigger create_job is_enabled"),
    realises=lambda _spec: False,
    rules=SCHEDULE_RULES,
    order=11,
)
