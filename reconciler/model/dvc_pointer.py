"""What DVC tracks at a path: the digest that a file of it in Git has."""

from __future__ import annotations

import posixpath
from typing import NamedTuple

from reconciler.model.content import FOLDER_SUFFIX

POINTER_SUFFIX = ".dvc"


class DvcPointer(NamedTuple):
    """A file or a folder that DVC tracks; paths are relative to the top of the repository.

    ``key`` is its md5, with ``.dir`` for a folder. ``within`` is the path of what is meant inside of the folder, "" for
    all of it. ``file`` is the file that has the digest, ``root`` the folder of the repository of DVC, None if there is
    none. ``remote`` is the remote of DVC that the output names, "" for the default. ``size`` (bytes) and ``files`` are
    those of the whole, 0 if the file does not say.
    """

    key: str
    path: str
    within: str
    file: str
    root: str | None
    remote: str = ""
    size: int = 0
    files: int = 0

    @property
    def is_folder(self) -> bool:
        """True if a folder is tracked, and not one file."""
        return self.key.endswith(FOLDER_SUFFIX)

    @property
    def target(self) -> str:
        """What a command of DVC is to be given for it."""
        return self.file if self.file.endswith(POINTER_SUFFIX) else self.path

    @property
    def name(self) -> str:
        """The name of the file or the folder that is meant."""
        return posixpath.basename(self.within or self.path)
