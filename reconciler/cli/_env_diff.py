"""mlgit env diff: how the packages of two environments differ, by the locks of their recorded builds."""

from __future__ import annotations

import click

from reconciler.cli.console import echo, echo_line
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import find_live_version, open_current_state_session
from reconciler.model import State
from reconciler.planning.packages import diff_packages, package_lines, summarize_packages
from reconciler.project.export import find_lock, find_registry_environment
from reconciler.project.recorded_builds import locked_packages
from reconciler.project.state_session import StateSession
from reconciler.render import plan_json
from reconciler.render.build_forecasts import packages_to_json

_PREFIX = "environment/"


@click.command("diff")
@click.argument("before", metavar="ENVIRONMENT")
@click.argument("after", metavar="ENVIRONMENT")
@format_option
@target_option
def command(before: str, after: str, form: str) -> None:
    """Show how the packages of two environments, or of two versions of one, differ.

    They are those of the locks of their first builds, which the live state has; Python and the platform count too.

    \b
    mlgit env diff sklearn@1 sklearn
    mlgit env diff environment/train environment/serve --format json
    """
    session = open_current_state_session()
    state = session.read_recorded_state()
    found = [_find_packages(session, state, argument) for argument in (before, after)]
    names, packages, unlocked = zip(*found, strict=True)
    difference = diff_packages(*packages)
    if form == "json":
        document = {"before": names[0], "after": names[1], "packages": packages_to_json(difference)}
        return echo(plan_json.dump_json(document))
    echo_line(f"{names[0]} -> {names[1]}: {summarize_packages(difference)}")
    for line in package_lines(difference):
        echo_line(f"  {line}")
    for name in dict.fromkeys(name for name, is_unlocked in zip(names, unlocked, strict=True) if is_unlocked):
        echo_line(f"{name} is built from a Dockerfile: what that installs is in no lock, and not compared.")
    return None


def _find_packages(session: StateSession, state: State, argument: str) -> tuple[str, dict[str, str], bool]:
    """Return the name of an environment with its version, its packages, and True if a Dockerfile installs others."""
    argument = f"{_PREFIX}{argument.removeprefix(_PREFIX)}"
    found, is_unlocked = find_registry_environment(state, argument), False
    if found is None:
        record = find_live_version(argument, state)
        found = record.address.format_with_version(record.version), record.fingerprint
        is_unlocked = bool(record.spec.get("build"))
    return found[0], locked_packages(find_lock(session, state, *found)), is_unlocked
