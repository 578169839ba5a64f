"""mlgit lineage: what an asset or a run was made of, and what was made of it."""

from __future__ import annotations

from functools import partial

import click

from reconciler.cli._version_or_run import find_version_or_run
from reconciler.cli.console import echo
from reconciler.cli.options import target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.planning.data_places import Datastores
from reconciler.planning.lineage import trace_lineage
from reconciler.project.lineage import read_everything
from reconciler.render.lineage import draw_lineage, format_lineage, lineage_to_json
from reconciler.render.plan_json import dump_json


@click.command("lineage")
@click.argument("address")
@click.option("--up", "direction", flag_value="up", help="Only what it was made of.")
@click.option("--down", "direction", flag_value="down", help="Only what was made of it.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "mermaid"]),
    default="text",
    show_default=True,
    help="The format of the output; mermaid is a graph for Markdown.",
)
@target_option
def command(address: str, direction: str | None, form: str) -> None:
    """Show what an asset or a run was made of (<-), and what was made of it (->).

    ADDRESS is KIND/NAME, KIND/NAME@VERSION, a job (its current run), or a run. What a run read from a URI, or wrote to
    a datastore, is shown with the sha256 of what was there.

    \b
    mlgit lineage model/iris
    mlgit lineage data/iris@1 --down
    mlgit lineage train-0c1e84b5 --up --format mermaid
    """
    session = open_current_state_session()
    state = session.read_recorded_state()
    start = find_version_or_run(session, state, address)
    datastores = Datastores(session.config, current=state.current)
    everything = partial(read_everything, session, state)
    lineage = trace_lineage(state, start, datastores, everything, up=direction != "down", down=direction != "up")
    if form == "json":
        echo(dump_json(lineage_to_json(lineage)))
    else:
        echo(draw_lineage(lineage) if form == "mermaid" else format_lineage(lineage))
