"""Write the files of a download, with progress, for `mlgit get` and `mlgit job download`.

The progress is a bar on a terminal, for which ``cli.transfer_display`` is imported by name; else a line now and then.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.abbreviation import format_size, pluralize
from reconciler.cli.console import echo, echo_line
from reconciler.model import Json, State
from reconciler.project.export import FileTransfer, write_transfer
from reconciler.project.state_session import StateSession
from reconciler.render import plan_json

OnProgress = Callable[[int, int], None]

_LINE_SECONDS = 10.0


def run_transfer(  # noqa: PLR0913 - what is downloaded, whereto and how
    session: StateSession,
    state: State,
    transfer: FileTransfer,
    folder: str,
    *,
    title: str,
    fields: Json,
    force: bool,
    form: str,
) -> None:
    """Write the files of a download into a folder and print how many; ``fields`` are put before that in JSON."""
    with _show_progress(title, transfer) as on_progress:
        written = write_transfer(session, state, transfer, target_folder(folder), on_progress, overwrite=force)
    counts = {"folder": folder, "files": transfer.files, "size": transfer.size, "written": written}
    if form == "json":
        return echo(plan_json.dump_json({**fields, **counts}))
    return echo_line(_summary(title, transfer, folder, written))


def target_folder(folder: str) -> Path:
    """Return the folder that a user named as an absolute path without ``..``, so that it has a name and parents."""
    return Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100 - links are kept


def _summary(title: str, transfer: FileTransfer, folder: str, written: int) -> str:
    total = f"{pluralize(transfer.files, 'file')} ({format_size(transfer.size)})"
    if written == transfer.files:
        return f"{title}: wrote {total} to {folder}, verified."
    if written == 0:
        return f"{title}: {folder} has {total} already, verified."
    return f"{title}: wrote {written} of {total} to {folder}, verified; the others were there already."


@contextmanager
def _show_progress(title: str, transfer: FileTransfer) -> Iterator[OnProgress]:
    """Yield a function of the numbers of files and bytes that are done, which shows them on standard error."""
    if sys.stderr.isatty():
        with importlib.import_module("reconciler.cli.transfer_display").show_transfer(title, transfer.size) as update:
            yield update
    else:
        yield _make_line_printer(title, transfer)


def _make_line_printer(title: str, transfer: FileTransfer) -> OnProgress:
    """Return a function that prints a line, unless it printed one a moment ago."""
    last_printed = time.monotonic()

    def print_progress(files: int, size: int) -> None:
        nonlocal last_printed
        if time.monotonic() - last_printed >= _LINE_SECONDS:
            last_printed = time.monotonic()
            parts = (
                f"{files} of {pluralize(transfer.files, 'file')}, {format_size(size)} of {format_size(transfer.size)}"
            )
            echo_line(f"{title}: {parts}", err=True)

    return print_progress
