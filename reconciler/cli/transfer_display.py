"""The progress of transfers on a terminal: a bar with bytes and rate, and the number of files that are done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from reconciler.abbreviation import pluralize
from reconciler.model.transfers import OnTransfer, TransferProgress
from reconciler.render.sanitize import sanitize_line


@contextmanager
def show_bar(title: str) -> Iterator[OnTransfer]:
    """Show a bar on standard error while there is a transfer, until the block ends; yield what is told its progress."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[files]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True, emoji=False), transient=True) as display:
        task = display.add_task("", visible=False, files="")
        shown = ("", 0, 0)

        def show(progress: TransferProgress) -> None:
            nonlocal shown
            transfer = (progress.verb, progress.total_files, progress.size)
            if transfer != shown:
                shown = transfer
                name = f"{title}: {progress.verb}" if progress.verb else title
                display.reset(task, total=progress.size, description=sanitize_line(name), visible=True)
            files = f"{progress.files:,} of {pluralize(progress.total_files, 'file')}"
            display.update(task, completed=progress.done, files=files)

        yield show
