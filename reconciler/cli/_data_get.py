"""mlgit data get: bring a file or a folder of a datastore into a folder."""

from __future__ import annotations

import click

from reconciler.cli._transfer import describe_written, show_progress, target_folder
from reconciler.cli.console import echo, echo_line
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.project.data_files import open_data_path
from reconciler.project.data_transfers import download, find_download
from reconciler.render import plan_json


@click.command("get")
@click.argument("path")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path())
@click.option("--overwrite", "--force", is_flag=True, help="Replace files in DIR that have the same names.")
@format_option
@target_option
def command(path: str, folder: str, form: str, *, overwrite: bool) -> None:
    """Write the file or folder at PATH of a datastore into DIR.

    DIR is the current folder by default. A file keeps its name; of a folder, what is in it is written, with the folders
    in it. Other files in DIR stay; without --overwrite, a file of the same name is an error, and nothing is written.
    After a cut, the same command goes on: files that were brought whole are not brought again.

    \b
    mlgit data get blob/raw/iris.csv
    mlgit data get azureml://datastores/blob/paths/raw/ data --overwrite
    """
    session = open_current_state_session()
    place = open_data_path(session, session.read_recorded_state(), path)
    transfer = find_download(place)
    uri = place.uri(place.path)
    with show_progress(uri, transfer.files, transfer.size) as on_progress:
        written = download(place, transfer, target_folder(folder), on_progress, overwrite=overwrite)
    if form == "json":
        counts = {"files": transfer.files, "size": transfer.size, "written": written}
        return echo(plan_json.dump_json({"uri": uri, "folder": folder, **counts}))
    return echo_line(describe_written(uri, transfer, folder, written))
