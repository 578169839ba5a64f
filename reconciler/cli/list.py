"""mlgit list: list live or declared assets, all or of one kind."""

from __future__ import annotations

import click

from reconciler.cli.console import echo, print_table
from reconciler.cli.options import format_option, target_option
from reconciler.cli.session import open_current_session
from reconciler.format.kinds import kinds
from reconciler.model import Record
from reconciler.project.session import Session
from reconciler.render import plan_json
from reconciler.source import workspace


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
    session = open_current_session()
    if declared:
        _print_declared_assets(session, kind, form)
        return
    state = session.read_refreshed_state()
    records = [
        record
        for record in state.current.values()
        if (archived or not record.archived) and kind in (None, record.address.kind)
    ]
    if form == "json":
        echo(plan_json.dump_json([plan_json.record_to_json(record) for record in records]))
    elif not records:
        echo(f"No {kind or 'asset'} is live.")
    else:
        rows = [(str(record.address), _format_version(record), record.source, record.applied_at) for record in records]
        print_table(("ADDRESS", "VERSION", "FILE", "APPLIED"), rows)


def _format_version(record: Record) -> str:
    """Return the version of a record, or its run if it has none, and a mark if it is archived."""
    return " ".join(filter(None, (record.version or record.run, "(archived)" if record.archived else "")))


def _print_declared_assets(session: Session, kind: str | None, form: str) -> None:
    """Print the assets that the files declare; `mlgit validate` reports the errors in them."""
    declared = workspace.read_asset_set(session.tree, session.config).assets
    assets = [asset for address, asset in sorted(declared.items()) if kind is None or address.kind == kind]
    if form == "json":
        echo(
            plan_json.dump_json(
                [plan_json.asset_to_json(asset, session.tree.display_path(asset.source)) for asset in assets]
            )
        )
    elif not assets:
        echo(f"No {kind or 'asset'} is declared.")
    else:
        rows = [(str(asset.address), asset.version, session.tree.display_path(asset.source)) for asset in assets]
        print_table(("ADDRESS", "VERSION", "FILE"), rows)
