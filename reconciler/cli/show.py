"""mlgit show: one live asset with what it was made from."""

from __future__ import annotations

import click

from reconciler.cli.options import format_option
from reconciler.cli.session import address_of, open_session
from reconciler.diagnostics import failure
from reconciler.render import as_json, text


@click.command("show")
@click.argument("address")
@format_option
def command(address: str, form: str) -> None:
    """Show one asset, its lineage and its fields; ADDRESS is KIND/NAME or KIND/NAME@VERSION.

    \b
    mlgit show model/iris
    mlgit show model/iris@1 --format json
    """
    live = open_session().live()
    found = address_of(address, live)
    version = address.partition("@")[2]
    record = live.version(found, version) if version else live.current[found]
    if record is None:
        raise failure("version-unknown", f"{address} is not live", f"`mlgit show {found}` shows its current version")
    shown = as_json.record(record)
    run = live.run(found, record.latest) if record.latest else None
    if run is not None:
        shown["latest_run"] = as_json.run(run)
    click.echo(as_json.dump(shown) if form == "json" else text.outline(shown))
