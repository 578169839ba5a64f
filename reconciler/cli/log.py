"""mlgit log: who changed the live state, when, from which commit and plan, and what was done."""

from __future__ import annotations

import click

from reconciler.cli.options import format_option, target_option
from reconciler.cli.session import open_current_session, parse_live_address
from reconciler.model import Address
from reconciler.render import history, plan_json
from reconciler.state.history import history_entries


@click.command("log")
@click.argument("address", required=False)
@click.option("-n", "limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@format_option
@target_option
def command(address: str | None, limit: int, form: str) -> None:
    """Show the history of the live state, newest first; with ADDRESS, only what touched that asset.

    \b
    mlgit log -n 5
    mlgit log model/iris --format json
    """
    session = open_current_session()
    live = session.read_recorded_state()
    named = Address(*address.partition("@")[0].split("/", 1)) if address and "/" in address else None
    found = history_entries(session.state_store, live, limit, named) if named or address is None else []
    if address and not found:
        parse_live_address(address, live)  # says what there is; what left the live state long ago has its history still
    if form == "json":
        click.echo(plan_json.dump_json(history.log_to_json(found)))
    elif not found:
        click.echo("Nothing was applied yet.")
    else:
        click.echo(history.format_log(found))
