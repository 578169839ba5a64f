"""Locks of what is brought into the object store: of all applies on this machine one brings it, and the others wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.model.builder import ReportProgress
from reconciler.runner.locks import exclusive_lock, free_lock

_FOLDER = "transfers"
_DIGITS = 3  # of a source: so many lock files at most, and hardly ever one for two sources at a time


@contextmanager
def transfer_lock(local_folder: Path, source: str, report_progress: ReportProgress) -> Iterator[None]:
    """Hold the lock of a source, given as a digest, in the folder of a clone; a process that is killed holds none."""
    folder = local_folder / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{source[:_DIGITS]}.lock"
    with free_lock(path) as descriptor:
        if descriptor is not None:
            yield
            return
    report_progress("waiting for the same data, which is brought for something else")
    with exclusive_lock(path):
        yield
