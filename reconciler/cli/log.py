"""mlgit log: who changed the live state, when, and what was done."""

from __future__ import annotations

import click

from reconciler.cli.options import format_option
from reconciler.cli.session import open_session
from reconciler.render import as_json
from reconciler.render.excerpt import visible


@click.command("log")
@click.option("-n", "limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@format_option
def command(limit: int, form: str) -> None:
    """Show the history of the live state, newest first.

    \b
    mlgit log -n 5
    """
    moments = list(open_session().state.history(limit))
    if form == "json":
        keys = ("commit", "author", "when", "message")
        click.echo(as_json.dump([{key: getattr(each, key) for key in keys} for each in moments]))
    elif not moments:
        click.echo("Nothing was applied yet.")
    else:
        shown = (f"{m.when}  {m.author}  {m.commit[:10]}\n{_indented(m.message)}" for m in moments)
        click.echo(visible("\n\n".join(shown)))


def _indented(message: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in message.splitlines())
