"""mlgit data head: the first rows of the table in a data asset."""

from __future__ import annotations

import click

from reconciler.abbreviation import pluralize
from reconciler.cli._transfer import show_transfers
from reconciler.cli.console import echo, echo_line, print_table
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import find_live_version, open_current_state_session
from reconciler.project.remote_data import open_remote_data
from reconciler.project.table_head import read_head
from reconciler.render.plan_json import dump_json
from reconciler.render.table_head import format_cell, head_to_json

_MAX_ROWS = 1_000
_SECONDS = 30.0


@click.command("head")
@click.argument("address")
@click.option("--rows", "-n", type=click.IntRange(0, _MAX_ROWS), default=10, show_default=True, help="So many rows.")
@click.option("--file", metavar="PATH", default="", help="The file, if the asset has several tables.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1, max=86_400),
    default=_SECONDS,
    show_default=True,
    help="Read for so long.",
)
@format_option
@target_option
def command(address: str, rows: int, file: str, seconds: float, form: str) -> None:
    """Print the first rows of the table in a data asset.

    ADDRESS is data/NAME or data/NAME@VERSION. The table is what its file MLTable says, or the file of the asset that is
    CSV (.csv, .tsv), Parquet or JSON lines (.jsonl, .ndjson). It is read within limits of memory and time:
    `pip install 'mlgit[tables]'`.

    \b
    mlgit data head data/iris
    mlgit data head data/iris@1 -n 3 --file raw/train.csv --format json
    """
    session = open_current_state_session()
    state = session.read_recorded_state()
    record = find_live_version(address, state)
    with show_transfers(address):
        head = read_head(open_remote_data(session, state), record, file, rows, seconds)
    if form == "json":
        version = record.address.format_with_version(record.version)
        return echo(dump_json(head_to_json(version, head.source, head.columns, head.rows, has_more=head.has_more)))
    if not head.columns:
        return echo_line(f"{head.source} has no columns.")
    print_table([format_cell(name) for name, _ in head.columns], [tuple(map(format_cell, row)) for row in head.rows])
    which = "the first" if head.has_more else "all"
    return echo_line(f"{head.source}: {which} {pluralize(len(head.rows), 'row')}.", err=True)
