"""mlgit status: what is live and what is running, read from the live state and asked of the backends."""

from __future__ import annotations

import click

from reconciler.cli.options import format_option
from reconciler.cli.session import open_session
from reconciler.cli.terminal import Terminal
from reconciler.model import Live, Record, Run
from reconciler.render import as_json, text


@click.command("status")
@format_option
def command(form: str) -> None:
    """Show what is live, and what is running.

    \b
    mlgit status
    """
    session = open_session()
    live = session.live()
    if form == "json":
        click.echo(as_json.dump([as_json.record(each) for each in live.current.values()]))
        return
    if not live.current:
        click.echo("Nothing is live yet. `mlgit plan` shows what would be made.")
        if elsewhere := session.elsewhere(live):
            click.echo(elsewhere)
        return
    Terminal().table(("ADDRESS", "VERSION", "STATE", "SINCE"), [_row(live, each) for each in live.current.values()])
    applied = f"from commit {live.applied[:10]}" if live.applied else ""
    click.echo(f"\n{text.counted(len(live.current), 'asset')} live {applied}".rstrip() + ".")


def _row(live: Live, record: Record) -> tuple[str, str, str, str]:
    run = live.run(record.address, record.latest) if record.latest else None
    version = run.id if run else record.version
    return (str(record.address), version, _state(record, run), record.applied_at)


def _state(record: Record, run: Run | None) -> str:
    if record.archived:
        return "archived"
    if run is None:
        return "live"
    if run.id == record.run or not record.run:
        return str(run.status)
    return f"{run.status}; current is {record.run}"
