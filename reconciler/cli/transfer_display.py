"""The progress of a download on a terminal: a bar with bytes and speed, and the number of files that are done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from reconciler.abbreviation import pluralize
from reconciler.render.sanitize import sanitize_line


@contextmanager
def show_transfer(title: str, size: int) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error until the block ends; yield a function of the files and bytes that are done."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[files]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True, emoji=False), transient=True) as progress:
        task = progress.add_task(sanitize_line(title), total=size, files="")

        def update(files: int, done: int) -> None:
            progress.update(task, completed=done, files=pluralize(files, "file"))

        yield update
