"""mlgit show: one live asset with what it was made from, or a saved plan."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import format_option, target_option
from reconciler.cli.session import open_current_session, parse_live_address
from reconciler.cli.terminal import Terminal
from reconciler.diagnostics import user_error
from reconciler.planning.saved import SavedPlan, dump_plan_file
from reconciler.project.saved_plan import read_saved_plan
from reconciler.render import plan_json, text
from reconciler.render.code_frame import sanitize_line

_ABBREV_LENGTH = 10


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
        _print_saved_plan(read_saved_plan(Path(address)), form)
        return
    live = open_current_session().read_refreshed_state()
    found = parse_live_address(address, live)
    version = address.partition("@")[2]
    record = live.find_version(found, version) if version else live.current[found]
    if record is None:
        raise user_error("version-unknown", f"{address} is not live", f"`mlgit show {found}` shows its current version")
    shown = plan_json.record_to_json(record)
    run = live.find_run(found, record.latest) if record.latest else None
    if run is not None:
        shown["latest_run"] = plan_json.run_to_json(run)
    click.echo(plan_json.dump_json(shown) if form == "json" else text.format_outline(shown))


def _print_saved_plan(saved: SavedPlan, form: str) -> None:
    """Show a saved plan from its file alone, as it was shown when it was made."""
    if form == "json":
        click.echo(dump_plan_file(saved), nl=False)
        return
    Terminal().print_text(text.format_plan_body(saved.body))
    made = saved.envelope
    changed = " with changes that were not committed" if made["dirty"] else ""
    where = f"Made of commit {made['commit'][:_ABBREV_LENGTH]}{changed} at {made['made_at']} by mlgit {made['tool']}."
    click.echo(f"\n{sanitize_line(where)}")
