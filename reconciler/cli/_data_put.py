"""mlgit data put: write a file or a folder into a datastore."""

from __future__ import annotations

import click

from reconciler.cli._transfer import describe_written, show_transfers, target_folder
from reconciler.cli.console import echo, echo_line
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.project.data_files import open_data_path
from reconciler.project.data_transfers import find_upload, upload
from reconciler.render import plan_json


@click.command("put")
@click.argument("source", type=click.Path())
@click.argument("path")
@click.option("--overwrite", "--force", is_flag=True, help="Replace files of the datastore.")
@format_option
@target_option
def command(source: str, path: str, form: str, *, overwrite: bool) -> None:
    """Write SOURCE, a file or a folder, to PATH of a datastore.

    A file becomes PATH or, if that ends in a slash, a file of its name in that folder. The files of a folder are
    written below PATH, with the folders in it. Without --overwrite, another file that is there already is an error, and
    nothing is written. Files that are there with the same bytes are not sent again, so that after a cut the same
    command goes on.

    \b
    mlgit data put iris.csv workspaceblobstore/raw/
    mlgit data put data azureml://datastores/blob/paths/raw --overwrite
    """
    session = open_current_state_session()
    place = open_data_path(session, session.read_recorded_state(), path)
    transfer = find_upload(target_folder(source), place, into_folder=path.endswith("/"))
    uri = place.uri(transfer.entries[0][0].path if transfer.files == 1 else place.path)
    with show_transfers(uri):
        written = upload(place, transfer, overwrite=overwrite)
    if form == "json":
        counts = {"files": transfer.files, "size": transfer.size, "written": written}
        return echo(plan_json.dump_json({"source": source, "uri": uri, **counts}))
    return echo_line(describe_written(source, transfer, uri, written))
