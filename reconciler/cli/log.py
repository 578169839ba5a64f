"""mlgit log: the history of the live state."""

from __future__ import annotations

import click

from reconciler.cli.console import echo
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session, parse_live_address
from reconciler.model import parse_address
from reconciler.render import history, plan_json
from reconciler.state.history import history_entries


@click.command("log")
@click.argument("address", required=False)
@click.option("-n", "limit", type=click.IntRange(min=1), default=20, show_default=True, help="Most entries to show.")
@format_option
@target_option
def command(address: str | None, limit: int, form: str) -> None:
    """Show the history of the live state, newest first; with ADDRESS, only what touched that asset.

    The number before an entry, ~N, is a revision for `mlgit diff`, `rollback` and `state restore`: the state after all
    entries with that number. The entries of one apply have the same number.

    \b
    mlgit log -n 5
    mlgit log model/iris --format json
    """
    session = open_current_state_session()
    state = session.read_recorded_state()
    selected = parse_address(address.partition("@")[0]) if address and "/" in address else None
    entries = history_entries(session.state_store, state, limit, selected) if selected or address is None else []
    if address and not entries:
        parse_live_address(address, state)  # raises, with a suggestion, if the address is not live
    if form == "json":
        echo(plan_json.dump_json(history.log_to_json(entries)))
    elif not entries:
        echo("Nothing was applied yet.")
    else:
        echo(history.format_log(entries))
