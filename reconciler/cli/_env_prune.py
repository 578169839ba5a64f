"""mlgit env prune: remove built environments that nothing on this machine needs."""

from __future__ import annotations

import click

from reconciler.abbreviation import format_size, join_some, pluralize
from reconciler.cli.console import echo, echo_line
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.project.prune_environments import DEFAULT_DAYS, UnusedBuild, find_unused, remove_unused
from reconciler.render import plan_json

_MAX_NAMES = 3


@click.command("prune")
@click.option("--remove", is_flag=True, help="Remove them; without it, they are only shown.")
@click.option(
    "--days",
    type=click.FloatRange(min=0),
    default=DEFAULT_DAYS,
    show_default=True,
    help="Keep what was made or used in so many days.",
)
@format_option
@target_option
def command(form: str, *, remove: bool, days: float) -> int:
    """Show, or remove with --remove, the folders and images that mlgit has built and that nothing needs.

    What a live asset of this workspace, a run that has not ended, or another workspace on this machine needs is kept;
    so is what was made or used lately. Only what has the marker or the labels of mlgit is removed. A build that was
    removed is made again from its recorded lock when a run needs it.

    \b
    mlgit env prune
    mlgit env prune --remove --days 30
    """
    session = open_current_state_session()
    unused = find_unused(session, session.read_recorded_state(), days)
    in_use = [item for item, is_removed in remove_unused(session, unused) if not is_removed] if remove else []
    if form == "json":
        builds = [_to_json(item) | ({"in_use": True} if item in in_use else {}) for item in unused]
        echo(plan_json.dump_json({"removed": remove, "builds": builds}))
        return int(bool(in_use))
    for item in unused:
        environments = join_some([fingerprint[:8] for fingerprint in sorted(item.build.fingerprints)], _MAX_NAMES)
        stays = "; it is in use, and stays" if item in in_use else ""
        what = f"{item.build.id} ({format_size(item.build.size)}"
        echo_line(f"{item.builder}: {what}{f', fingerprint {environments}' if environments else ''}){stays}")
    total = format_size(sum(item.build.size for item in unused if item not in in_use))
    count = pluralize(len(unused) - len(in_use), "environment")
    if not unused:
        echo_line("No built environment is unused.")
    elif remove:
        echo_line(f"Removed {count}, {total}.")
    else:
        echo_line(f"{count}, {total}, can be removed: `mlgit env prune --remove`.")
    return int(bool(in_use))


def _to_json(item: UnusedBuild) -> dict[str, object]:
    build = item.build
    return {
        "builder": item.builder,
        "id": build.id,
        "fingerprints": sorted(build.fingerprints),
        "size": build.size,
    }
