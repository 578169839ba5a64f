"""mlgit list: live assets, all or of one kind."""

from __future__ import annotations

import click

from reconciler.cli.options import format_option
from reconciler.cli.session import open_session
from reconciler.cli.terminal import Terminal
from reconciler.format.kinds import kinds
from reconciler.render import as_json


@click.command("list")
@click.argument("kind", required=False)
@click.option("--archived", is_flag=True, help="Those that were archived, too.")
@format_option
def command(kind: str | None, form: str, *, archived: bool) -> None:
    """List live assets, all or of one KIND.

    \b
    mlgit list model
    """
    if kind is not None and kind not in kinds():
        raise click.UsageError(f"there is no kind {kind}; kinds: {', '.join(kinds())}")
    live = open_session().live()
    shown = [each for each in live.current.values() if (archived or not each.archived)]
    shown = [each for each in shown if kind is None or each.address.kind == kind]
    if form == "json":
        click.echo(as_json.dump([as_json.record(each) for each in shown]))
    elif not shown:
        click.echo(f"No {kind or 'asset'} is live.")
    else:
        rows = [(str(each.address), each.version or each.run, each.source, each.applied_at) for each in shown]
        Terminal().table(("ADDRESS", "VERSION", "FILE", "APPLIED"), rows)
