"""Write the files of a download, with progress, for `mlgit get` and `mlgit job download`; show any transfer.

The progress is a bar on a terminal, for which ``cli.transfer_display`` is imported by name; else a line now and then.
``project.remote_data``, which reads storage services, is imported by name for data that is not in the store.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from reconciler.abbreviation import format_size, pluralize
from reconciler.cli.console import echo, echo_line
from reconciler.model import Json, Record, State
from reconciler.model.content import Content
from reconciler.model.transfers import OnTransfer, TransferProgress, listen_to_transfers
from reconciler.project.export import FileTransfer, is_remote, write_transfer
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
    with show_transfers(title) as show:
        on_progress = _make_counter(transfer.files, transfer.size, show)
        written = write_transfer(session, state, transfer, target_folder(folder), on_progress, overwrite=force)
    counts = {"folder": folder, "files": transfer.files, "size": transfer.size, "written": written}
    if form == "json":
        return echo(plan_json.dump_json({**fields, **counts}))
    return echo_line(describe_written(title, transfer, folder, written))


def fetch_remote(session: StateSession, state: State, record: Record, title: str) -> Content | None:
    """Return the data of a version that the store has none of, brought from where it is; None for any other."""
    if not is_remote(state, record):
        return None
    with show_transfers(title):
        remote = importlib.import_module("reconciler.project.remote_data").open_remote_data(session, state)
        content: Content | None = remote.fetch_version(record)
        return content


def target_folder(folder: str) -> Path:
    """Return the folder that a user named as an absolute path without ``..``, so that it has a name and parents."""
    return Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100 - links are kept


class _Files(Protocol):
    """Files that were transferred."""

    @property
    def files(self) -> int: ...

    @property
    def size(self) -> int: ...


def describe_written(title: str, transfer: _Files, target: str, written: int) -> str:
    """Return in a sentence how many files of a transfer were written, and how many were there."""
    total = f"{pluralize(transfer.files, 'file')} ({format_size(transfer.size)})"
    if written == transfer.files:
        return f"{title}: wrote {total} to {target}, verified."
    if written == 0:
        return f"{title}: {target} has {total} already, verified."
    return f"{title}: wrote {written} of {total} to {target}, verified; the others were there already."


@contextmanager
def show_progress(title: str, files: int, size: int) -> Iterator[OnProgress]:
    """Yield a function of the numbers of files and bytes that are done, which shows them on standard error."""
    with _open_display(title) as show:
        yield _make_counter(files, size, show)


@contextmanager
def show_transfers(title: str) -> Iterator[OnTransfer]:
    """Show what is transferred to and from storage services until the block ends, and what the result is told."""
    with _open_display(title) as show, listen_to_transfers(show):
        yield show


def _make_counter(files: int, size: int, show: OnTransfer) -> OnProgress:
    return lambda done_files, done: show(TransferProgress("", done_files, files, done, size))


@contextmanager
def _open_display(title: str) -> Iterator[OnTransfer]:
    """Yield what shows the progress of transfers: a bar on a terminal, else a line now and then."""
    if sys.stderr.isatty():
        with importlib.import_module("reconciler.cli.transfer_display").show_bar(title) as show:
            yield show
    else:
        yield _make_line_printer(title)


def _make_line_printer(title: str) -> OnTransfer:
    """Return a function that prints a line, unless it printed one a moment ago."""
    last_printed = time.monotonic()

    def print_progress(progress: TransferProgress) -> None:
        nonlocal last_printed
        if time.monotonic() - last_printed >= _LINE_SECONDS:
            last_printed = time.monotonic()
            echo_line(f"{title}: {progress}", err=True)

    return print_progress
