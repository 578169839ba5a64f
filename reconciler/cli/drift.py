"""mlgit drift: the world beside what is recorded of it. Looks, and changes nothing."""

from __future__ import annotations

import click

from reconciler.cli.options import EXIT_CHANGES, format_option, target_option
from reconciler.cli.session import open_current_session
from reconciler.cli.terminal import Terminal
from reconciler.planning.drift import count_drift, find_drift
from reconciler.render import drift, plan_json


@click.command("drift")
@click.option("--deep", is_flag=True, help="Read what is in the store, too, instead of only looking for it.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if anything has drifted.")
@format_option
@target_option
def command(form: str, *, deep: bool, detailed_exitcode: bool) -> int:
    """Compare the world with what is recorded: runs, backends, the store, environments.

    Nothing is changed, and nothing is planned: what is declared and not applied yet is no drift. `drift:` in mlgit.yml
    says what apply does about it, for each kind or address: heal, warn or ignore.

    \b
    mlgit drift
    mlgit drift --deep --detailed-exitcode --format json
    """
    session = open_current_session()
    live = session.read_recorded_state()
    seen = session.refresh_all(live, deep=deep)
    found = find_drift(live, seen, session.config, session.tree.tree_at_commit)
    if form == "json":
        click.echo(plan_json.dump_json(drift.drift_to_json(found, seen.skipped_checks)))
    else:
        Terminal().print_text(drift.format_drift(found, seen.skipped_checks))
    return EXIT_CHANGES if detailed_exitcode and count_drift(found) else 0
