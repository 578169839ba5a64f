"""mlgit data ls: list the files and folders of a datastore, or the datastores."""

from __future__ import annotations

import click

from reconciler.abbreviation import format_size
from reconciler.cli.console import echo, echo_line, print_table
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.model import Json
from reconciler.model.datastores import DatastoreEntry
from reconciler.project.data_files import DataPath, known_datastores, list_path, open_data_path
from reconciler.render import plan_json

_SECONDS = 19  # the length of a time up to its seconds


@click.command("ls")
@click.argument("path", required=False)
@click.option("--recursive", "-r", is_flag=True, help="List all files below PATH, whatever folder they are in.")
@format_option
@target_option
def command(path: str | None, form: str, *, recursive: bool) -> None:
    """List the files and folders at PATH; without PATH, the datastores.

    \b
    mlgit data ls
    mlgit data ls azureml://datastores/blob/paths/raw/ --recursive
    """
    session = open_current_state_session()
    state = session.read_recorded_state()
    if path is None:
        types = known_datastores(session, state)
        if form == "json":
            return echo(plan_json.dump_json([{"name": name, "type": type_} for name, type_ in sorted(types.items())]))
        rows = ((name, type_ or "in the object store") for name, type_ in sorted(types.items()))
        return print_table(("DATASTORE", "TYPE"), rows)
    place = open_data_path(session, state, path)
    entries = list(list_path(place, recursive=recursive))
    if form == "json":
        return echo(plan_json.dump_json([entry_to_json(place, entry) for entry in entries]))
    if not entries:
        return echo_line(f"{place.uri(place.path)} is empty.")
    return print_table(("SIZE", "MODIFIED", "PATH"), map(_row, entries))


def entry_to_json(place: DataPath, entry: DatastoreEntry) -> Json:
    """Return a file or a folder of a datastore, with its URI."""
    fields: dict[str, Json] = {"uri": place.uri(entry.path), "path": entry.path, "folder": entry.is_folder}
    return fields if entry.is_folder and not entry.identity.etag else {**fields, **entry.identity.to_json()}


def _row(entry: DatastoreEntry) -> tuple[str, str, str]:
    if entry.is_folder:
        return "", "", f"{entry.path}/"
    return format_size(entry.identity.size), format_time(entry.identity.modified), entry.path


def format_time(time: str) -> str:
    """Return an ISO 8601 time in UTC as people read it, to the second."""
    return time[:_SECONDS].replace("T", " ")
