"""mlgit env prune: remove built environments that nothing on this machine needs."""

from __future__ import annotations

from collections.abc import Sequence

import click

from reconciler.abbreviation import format_size, join_some, pluralize
from reconciler.cli.console import echo, echo_line
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.model.builder import LocalBuild
from reconciler.project.prune_environments import DEFAULT_DAYS, Removal, UnusedBuild, find_unused, remove_unused
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
    unused, not_asked = find_unused(session, session.read_recorded_state(), days)
    removals = list(remove_unused(session, unused)) if remove else []
    stays = {removal.unused: removal for removal in removals if not removal.is_removed}
    if form == "json":
        builds = [_to_json(item) | _stay_to_json(stays.get(item)) for item in unused]
        failed = {name: problem.message for name, problem in not_asked.items()}
        echo(plan_json.dump_json({"removed": remove, "builds": builds, "not_asked": failed}))
        return int(bool(stays or not_asked))
    for name, problem in not_asked.items():
        echo_line(f"{name}: not asked: {problem.message}; {problem.hint}", err=True)
    for item in unused:
        echo_line(_describe(item) + _describe_stay(stays.get(item)))
    total = _describe_total([item.build for item in unused if item not in stays])
    if not unused:
        others = " of the other builders" if not_asked else ""
        echo_line(f"No built environment{others} is unused.")
    elif remove:
        echo_line(f"Removed {total}.")
    else:
        echo_line(f"{total}, can be removed: `mlgit env prune --remove`.")
    return int(bool(stays or not_asked))


def _describe_total(builds: Sequence[LocalBuild]) -> str:
    """Return how many builds there are, and their bytes: ``2 environments and 1 name of a base image, 40 MB``."""
    bases = sum(build.is_base for build in builds)
    parts = [pluralize(len(builds) - bases, "environment")] if len(builds) > bases or not bases else []
    parts += [f"{bases} name{'' if bases == 1 else 's'} of base images"] if bases else []
    return f"{' and '.join(parts)}, {format_size(sum(build.size for build in builds))}"


def _describe(item: UnusedBuild) -> str:
    """Return a line about a build: what it was made for, where it is, its size and whose it is by fingerprint."""
    build = item.build
    fingerprints = join_some([fingerprint[:8] for fingerprint in sorted(build.fingerprints)], _MAX_NAMES)
    details = format_size(build.size) + (f", fingerprint {fingerprints}" if fingerprints else "")
    name = f"{build.environment}, " if build.environment else ""
    return f"{item.builder}: {name}{build.id} ({details})"


def _describe_stay(removal: Removal | None) -> str:
    if removal is None:
        return ""
    return f"; not removed: {removal.problem.message}" if removal.problem else "; it is in use, and stays"


def _stay_to_json(removal: Removal | None) -> dict[str, object]:
    if removal is None:
        return {}
    return {"problem": removal.problem.message} if removal.problem else {"in_use": True}


def _to_json(item: UnusedBuild) -> dict[str, object]:
    build = item.build
    return {
        "builder": item.builder,
        "environment": build.environment,
        "base": build.is_base,
        "id": build.id,
        "fingerprints": sorted(build.fingerprints),
        "size": build.size,
    }
