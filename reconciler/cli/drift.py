"""mlgit drift: the world beside what is recorded of it. Looks, and changes nothing."""

from __future__ import annotations

import click

from reconciler.cli.options import CHANGES, format_option, target_option
from reconciler.cli.session import open_session
from reconciler.cli.terminal import Terminal
from reconciler.planning.drift import counted, drifts
from reconciler.render import as_json, drift


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
    session = open_session()
    live = session.recorded()
    seen = session.observed(live, deep=deep)
    found = drifts(live, seen, session.config, session.tree.at)
    if form == "json":
        click.echo(as_json.dump(drift.as_json(found, seen.unseen)))
    else:
        Terminal().show(drift.text(found, seen.unseen))
    return CHANGES if detailed_exitcode and counted(found) else 0
