"""mlgit list --declared: list the assets that the files declare."""

from __future__ import annotations

from reconciler.cli.console import echo, echo_line, print_table
from reconciler.cli.session import open_current_session
from reconciler.model import Address
from reconciler.render import plan_json


def print_declared_assets(kind: str | None, address: Address | None, form: str) -> None:
    """Print the assets that the files declare; `mlgit validate` reports the errors in them."""
    session = open_current_session()
    declared = session.read_assets().assets
    assets = [
        asset for item, asset in sorted(declared.items()) if kind in (None, item.kind) and address in (None, item)
    ]
    if form == "json":
        echo(
            plan_json.dump_json(
                [plan_json.asset_to_json(asset, session.tree.display_path(asset.source)) for asset in assets]
            )
        )
    elif not assets:
        echo_line(f"No {address or kind or 'asset'} is declared.")
    else:
        rows = [(str(asset.address), asset.version, session.tree.display_path(asset.source)) for asset in assets]
        print_table(("ADDRESS", "VERSION", "FILE"), rows)
