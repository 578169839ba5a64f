"""The roots of files: the repository or the workspace around a folder, and those of the paths that a user names."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from reconciler.source.discovery import CONFIG_FILE

GIT_FOLDER = ".git"
REPOSITORY, WORKSPACE = "the repository", "the workspace"


class Root(NamedTuple):
    """A folder without links in its path, and what it is called in messages."""

    folder: str
    description: str = ""

    def __str__(self) -> str:
        return self.description or f"the folder {self.folder}"

    def contains(self, path: str) -> bool:
        """Return True if a path is the folder, or lies below it."""
        return path == self.folder or path.startswith(self.folder.rstrip("/") + "/")


class RealFolders:
    """Follows the links in the paths of folders, and looks at each folder once."""

    def __init__(self) -> None:
        self._by_path: dict[str, str] = {"/": "/"}

    def resolve(self, folder: str) -> str:
        """Return the path of a folder with all links followed, as `os.path.realpath`."""
        pending = []
        while folder not in self._by_path and folder.startswith("/"):
            pending.append(folder)
            folder = folder.rpartition("/")[0] or "/"
        real = self._by_path.get(folder) or os.path.realpath(folder)
        for path in reversed(pending):
            real = self._by_path[path] = _resolve_name(real, path.rpartition("/")[2])
        return real


def _resolve_name(folder: str, name: str) -> str:
    """Return the real path of what has a name in a folder whose own path has no links."""
    path = f"{folder.rstrip('/')}/{name}"
    return os.path.realpath(path) if name in {"", ".", ".."} or os.path.islink(path) else path  # noqa: PTH114 - of thousands


class RootFinder:
    """Finds the roots of folders, and looks at each folder above them once."""

    def __init__(self) -> None:
        self._has_name: dict[str, bool] = {}

    def find_root(self, folder: str) -> Root | None:
        """Return the root of the files in a folder without links in its path, as `find_root`."""
        for name, description in ((GIT_FOLDER, REPOSITORY), (CONFIG_FILE, WORKSPACE)):
            current = folder
            while not self._has(current, name) and current != "/":
                current = current.rpartition("/")[0] or "/"
            if self._has(current, name):
                return Root(current, description)
        return None

    def _has(self, folder: str, name: str) -> bool:
        path = f"{folder.rstrip('/')}/{name}"
        if path not in self._has_name:
            self._has_name[path] = os.path.lexists(path)
        return self._has_name[path]


def find_root(folder: Path) -> Root | None:
    """Return the root of the files in a folder: the repository that it is in, else the workspace; None without both."""
    return RootFinder().find_root(os.path.realpath(folder))


def named_roots(current: Path, paths: Iterable[str], real_folders: RealFolders | None = None) -> tuple[Root, ...]:
    """Return the roots for paths that a user has named, relative to a folder.

    In a workspace there is one root, the repository that the workspace is in, or else the workspace. Elsewhere each
    path has its own: its repository or workspace, else the current folder if the path lies in it, else the folder that
    is named, or the folder of the file.
    """
    root = find_root(current)
    if root is not None and any(os.path.lexists(folder / CONFIG_FILE) for folder in (current, *current.parents)):
        return (root,)
    top = str(current)
    folders = dict.fromkeys(_folder_of(top, path) for path in paths)  # of thousands of paths, a few folders
    here, finder = folder_root(current), RootFinder()
    real = dict.fromkeys(map((real_folders or RealFolders()).resolve, folders))
    return tuple(dict.fromkeys(_root_of(finder, here, folder) for folder in real)) or (root or here,)


def _folder_of(current: str, path: str) -> str:
    """Return the folder that a path names, or that of the file; a link to a folder is in the folder of the link."""
    absolute = os.path.join(current, path)  # noqa: PTH118 - called for thousands of paths
    try:
        is_folder = stat.S_ISDIR(os.lstat(absolute).st_mode)
    except (OSError, ValueError):
        is_folder = False
    return absolute if is_folder else os.path.dirname(absolute)  # noqa: PTH120 - as above


def _root_of(finder: RootFinder, here: Root, real: str) -> Root:
    return finder.find_root(real) or (here if here.contains(real) else Root(real))


def folder_root(folder: Path) -> Root:
    return Root(os.path.realpath(folder))
