"""mlgit data stat: show what a datastore says of one file or folder."""

from __future__ import annotations

import click

from reconciler.abbreviation import format_size, pluralize
from reconciler.cli._data_ls import entry_to_json, format_time
from reconciler.cli.console import echo, echo_line
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.project.data_files import open_data_path, stat_path
from reconciler.render import plan_json

_KILO = 1000


@click.command("stat")
@click.argument("path")
@format_option
@target_option
def command(path: str, form: str) -> None:
    """Show the size, the time and the ETag of a file or folder.

    Those of a folder are of all its files together. That is by what a change of data is seen without reading it.

    \b
    mlgit data stat azureml://datastores/blob/paths/raw/iris.csv
    """
    session = open_current_state_session()
    place = open_data_path(session, session.read_recorded_state(), path)
    entry, files = stat_path(place)
    if form == "json":
        return echo(plan_json.dump_json({**entry_to_json(place, entry), "datastore": place.name, "files": files}))
    identity = entry.identity
    exactly = f" ({identity.size:,} bytes)" if identity.size >= _KILO else ""
    size = f"{format_size(identity.size)}{exactly}"
    rows = {
        "uri": place.uri(entry.path),
        "type": "folder" if entry.is_folder else "file",
        "size": f"{size} in {pluralize(files, 'file')}" if entry.is_folder else size,
        "modified": format_time(identity.modified),
        "etag": identity.etag,
        "version": identity.version,
    }
    for name, value in rows.items():
        if value:
            echo_line(f"{name}: {value}")
    return None
