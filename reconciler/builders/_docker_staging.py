"""What a build sends to an engine, in a folder of its own below that of the builder: the context, and files about it.

A build that is killed leaves its folder behind, and the lock of its fingerprint is free then: the next build of any
environment removes it. A program of the build that goes on holds the lock as well, see `_programs`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from reconciler.builders._finished import safe_file_name
from reconciler.builders._prefix_files import lock_path
from reconciler.private_files import make_private_folder

_FOLDER = "staging"


class Staging(NamedTuple):
    """The empty folders of a build: that of its context, and one for what is no part of it, such as a Dockerfile."""

    context: Path
    private: Path


@contextmanager
def open_staging(root: Path, fingerprint: str) -> Iterator[Staging]:
    """Give the folders of a build, which holds the lock of its fingerprint; they are removed at its end.

    ``root`` is the folder of the builder. Only their owner can read them.
    """
    folder = root / _FOLDER / safe_file_name(fingerprint)
    make_private_folder(folder.parent)
    _remove_abandoned(root, folder)
    staging = Staging(folder / "context", folder / "private")
    try:
        for path in staging:
            path.mkdir(parents=True)
        yield staging
    finally:
        _remove(folder)


def _remove_abandoned(root: Path, own: Path) -> None:
    """Remove the folders of builds that were killed: an earlier one of this fingerprint, and those without a lock."""
    _remove(own)
    for folder in tuple(own.parent.iterdir()):
        try:
            with FileLock(lock_path(root, folder.name), timeout=0):
                _remove(folder)
        except Timeout:
            continue  # of a build that goes on


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # it costs space alone, and a build does not fail for it
