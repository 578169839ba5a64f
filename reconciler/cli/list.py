"""mlgit list: list live or declared assets, all or of one kind.

``cli._declared_assets``, which reads the files, is imported by name, for --declared.
"""

from __future__ import annotations

import importlib

import click

from reconciler.cli.console import print_table
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.format.kinds import kinds
from reconciler.model import Record
from reconciler.render import plan_json


@click.command("list")
@click.argument("kind", required=False)
@click.option("--archived", is_flag=True, help="Include archived assets.")
@click.option("--declared", is_flag=True, help="List the assets that the files declare instead.")
@format_option
@target_option
def command(kind: str | None, form: str, *, archived: bool, declared: bool) -> None:
    """List live assets, all or of one KIND.

    \b
    mlgit list model
    mlgit list --declared --format json
    """
    if kind is not None and kind not in kinds():
        raise click.UsageError(f"there is no kind {kind}; kinds: {', '.join(kinds())}")
    if declared:
        importlib.import_module("reconciler.cli._declared_assets").print_declared_assets(kind, form)
        return
    state = open_current_state_session().read_refreshed_state()
    records = [
        record
        for record in state.current.values()
        if (archived or not record.archived) and kind in (None, record.address.kind)
    ]
    if form == "json":
        click.echo(plan_json.dump_json([plan_json.record_to_json(record) for record in records]))
    elif not records:
        click.echo(f"No {kind or 'asset'} is live.")
    else:
        rows = [(str(record.address), _format_version(record), record.source, record.applied_at) for record in records]
        print_table(("ADDRESS", "VERSION", "FILE", "APPLIED"), rows)


def _format_version(record: Record) -> str:
    """Return the version of a record, or its run if it has none, and a mark if it is archived."""
    return " ".join(filter(None, (record.version or record.run, "(archived)" if record.archived else "")))
