"""mlgit lineage: what an asset or a run was made of, and what was made of it."""

from __future__ import annotations

from functools import partial

import click

from reconciler.cli._version_or_run import find_version_or_run
from reconciler.cli.console import echo
from reconciler.cli.options import target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.diagnostics import UserError, user_error
from reconciler.planning.data_places import Datastores
from reconciler.planning.lineage import trace_lineage, trace_place
from reconciler.project.lineage import read_everything
from reconciler.render.lineage import draw_lineage, format_lineage, lineage_to_json
from reconciler.render.plan_json import dump_json
from reconciler.secrets.urls import mask_url_secrets


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

    ADDRESS is KIND/NAME, KIND/NAME@VERSION, a job (its current run), a run, or the URI of a place outside of the
    workspace: who wrote it, which versions were registered from it, and which runs have read it. What a run read from a
    URI, or wrote to a datastore, is shown with the sha256 of what was there.

    \b
    mlgit lineage model/iris
    mlgit lineage data/iris@1 --down
    mlgit lineage train-0c1e84b5 --up --format mermaid
    mlgit lineage azureml://datastores/lake/paths/raw/a.csv
    """
    session = open_current_state_session()
    state = session.read_recorded_state()
    datastores = Datastores(session.config, current=state.current)
    everything = partial(read_everything, session, state)
    directions = {"up": direction != "down", "down": direction != "up"}
    if "://" in address:
        lineage = trace_place(state, address, datastores, everything, **directions)
        if lineage is None:
            raise _unknown_place(address)
    else:
        start = find_version_or_run(session, state, address)
        lineage = trace_lineage(state, start, datastores, everything, **directions)
    if form == "json":
        echo(dump_json(lineage_to_json(lineage)))
    else:
        echo(draw_lineage(lineage) if form == "mermaid" else format_lineage(lineage))


def _unknown_place(uri: str) -> UserError:
    message = f"no run has read or written {mask_url_secrets(uri)}, and no version was registered from it"
    hint = "name the place as the job or the data asset does; `mlgit list data` lists data, `mlgit job show` inputs"
    return user_error("place-unknown", message, hint)
