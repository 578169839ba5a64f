"""mlgit list --declared: list the assets that the files declare."""

from __future__ import annotations

import click

from reconciler.cli.console import print_table
from reconciler.cli.session import open_current_session
from reconciler.render import plan_json


def print_declared_assets(kind: str | None, form: str) -> None:
    """Print the assets that the files declare; `mlgit validate` reports the errors in them."""
    session = open_current_session()
    declared = session.read_assets().assets
    assets = [asset for address, asset in sorted(declared.items()) if kind is None or address.kind == kind]
    if form == "json":
        click.echo(
            plan_json.dump_json(
                [plan_json.asset_to_json(asset, session.tree.display_path(asset.source)) for asset in assets]
            )
        )
    elif not assets:
        click.echo(f"No {kind or 'asset'} is declared.")
    else:
        rows = [(str(asset.address), asset.version, session.tree.display_path(asset.source)) for asset in assets]
        print_table(("ADDRESS", "VERSION", "FILE"), rows)
