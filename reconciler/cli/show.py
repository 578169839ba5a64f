"""mlgit show: one live asset with what it was made from, or a saved plan."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.approved import read_plan
from reconciler.cli.options import format_option, target_option
from reconciler.cli.session import address_of, open_session
from reconciler.cli.terminal import Terminal
from reconciler.diagnostics import failure
from reconciler.planning.saved import Saved, written
from reconciler.render import as_json, text
from reconciler.render.excerpt import inline

_SHORT = 10


@click.command("show")
@click.argument("address")
@format_option
@target_option
def command(address: str, form: str) -> None:
    """Show one asset, its lineage and its fields; ADDRESS is KIND/NAME or KIND/NAME@VERSION, or a saved plan's file.

    \b
    mlgit show model/iris
    mlgit show model/iris@1 --format json
    mlgit show plan.json
    """
    if Path(address).suffix == ".json" or Path(address).is_file():
        _plan(read_plan(Path(address)), form)
        return
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


def _plan(saved: Saved, form: str) -> None:
    """Show a saved plan from its file alone, as it was shown when it was made."""
    if form == "json":
        click.echo(written(saved), nl=False)
        return
    Terminal().show(text.body(saved.body))
    made = saved.envelope
    changed = " with changes that were not committed" if made["dirty"] else ""
    where = f"Made of commit {made['commit'][:_SHORT]}{changed} at {made['made_at']} by mlgit {made['tool']}."
    click.echo(f"\n{inline(where)}")
