"""The folders that are open while a command reads the files in them.

To open a file safely, each folder of its path is opened in turn, from the root downwards, without following links.
Neighbouring files share those folders, so the last ones stay open, and most files take one call. A descriptor refers to
the folder itself, not to its path: if the path is replaced afterwards, such as by a link that leads out of the root,
files are still read from the folder that was checked when it was opened. A process that is forked may use the
descriptors that it inherits, because they have no position; what it opens and closes is its own.
"""

from __future__ import annotations

import os
import weakref

FOLDER_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_OPEN = 16  # folders; a path rarely has more, and the limit on open files may be low


class OpenFolders:
    """The folders that were used last, open, by their path without links. They are closed with this object."""

    def __init__(self) -> None:
        self._descriptors: dict[str, int] = {}  # the one that was used last is at the end
        weakref.finalize(self, _close_all, self._descriptors)

    def open(self, root: str, folder: str) -> int:
        """Return the descriptor of a folder at or below a root, valid until the next call. Raise OSError if it fails.

        The root itself is opened by its path, which the user has chosen; below it no link is followed.
        """
        descriptor = self._descriptors.pop(folder, None)
        if descriptor is None:
            descriptor = self._open_from(root, folder)
        self._descriptors[folder] = descriptor
        return descriptor

    def _open_from(self, root: str, folder: str) -> int:
        """Open a folder from its nearest parent that is open, and keep those between them."""
        names = []
        above = folder
        while above != root and above not in self._descriptors:
            above, _, name = above.rpartition("/")
            above = above or "/"
            names.append(name)
        descriptor = self._descriptors.pop(above, None)
        if descriptor is None:
            descriptor = os.open(root, FOLDER_FLAGS)
        for name in reversed(names):
            self._keep(above, descriptor)
            descriptor = os.open(name, FOLDER_FLAGS, dir_fd=descriptor)
            above = f"{above.rstrip('/')}/{name}"
        self._keep(above, descriptor)
        return descriptor

    def _keep(self, folder: str, descriptor: int) -> None:
        self._descriptors[folder] = descriptor
        if len(self._descriptors) > _MAX_OPEN:
            os.close(self._descriptors.pop(next(iter(self._descriptors))))

    def close(self) -> None:
        """Close all folders."""
        _close_all(self._descriptors)


def _close_all(descriptors: dict[str, int]) -> None:
    while descriptors:
        os.close(descriptors.popitem()[1])
