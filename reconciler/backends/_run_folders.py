"""The folders of runs on this machine: which there are, and how one that has ended is removed.

One is renamed before it is emptied, so that no part of a folder is ever taken for a run; what a removal that was killed
has left is removed by the next one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from reconciler.backends._local_processes import SPEC_FILE
from reconciler.model.backend import RunFolder
from reconciler.regular_files import folder_size
from reconciler.runner.files import read_json_object, remove_folder
from reconciler.runner.locks import is_locked
from reconciler.runner.queue import COMMAND_LOCK, SUPERVISOR_LOCK
from reconciler.runner.result import LOG_FILE, RESULT_FILE

REMOVED_FOLDER = "removed"


def list_run_folders(runs: Path, is_active: Callable[[Path], bool]) -> Iterator[RunFolder]:
    """Yield the folders of runs, and what is left of those whose removal was interrupted, which have no token."""
    for folder in _folders_in(runs):
        token = str((read_json_object(folder / SPEC_FILE) or {}).get("token", ""))
        files = (folder / RESULT_FILE, folder / LOG_FILE, folder)
        modified = max((_modified(file) for file in files), default=0.0)
        yield RunFolder(str(folder), token, modified, folder_size(folder), is_active(folder))
    for folder in _folders_in(runs.parent / REMOVED_FOLDER):
        yield RunFolder(str(folder), "", 0.0, folder_size(folder), is_left=True)


def remove_run_folder(runs: Path, folder: RunFolder, is_active: Callable[[Path], bool]) -> bool:
    """Remove a folder, unless its run goes on; return True if it is gone."""
    path = Path(folder.path)
    if folder.is_left:
        return remove_folder(path)
    if is_active(path):
        return False
    target = runs.parent / REMOVED_FOLDER / uuid.uuid4().hex
    try:
        target.parent.mkdir(mode=0o700, exist_ok=True)
        path.rename(target)
    except OSError:
        return False
    return remove_folder(target)  # files of another user, as of a container, stay


def has_process(folder: Path) -> bool:
    """Return True if a process of a run is on this machine."""
    return any(is_locked(folder / name) for name in (SUPERVISOR_LOCK, COMMAND_LOCK))


def _folders_in(folder: Path) -> list[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    return []


def _modified(path: Path) -> float:
    with suppress(OSError):
        return path.lstat().st_mtime
    return 0.0
