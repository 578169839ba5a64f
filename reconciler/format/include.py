"""The globs that include asset files: ``assets: include:`` of mlgit.yml."""

from __future__ import annotations

import posixpath
from typing import NamedTuple

_WILDCARDS = frozenset("*?[")


class IncludeGlob(NamedTuple):
    """A glob of asset files, and what mlgit.yml says of the files.

    It says whether apply runs changed jobs among them, the kind of those that do not show it, and the ``mirrors`` of
    URIs (``format.mirrors``).
    """

    pattern: str
    runs_on_change: bool = True
    kind: str = ""
    mirrors: tuple[tuple[str, str], ...] = ()

    def is_literal_match(self, path: str) -> bool:
        """Return True if the glob has no wildcards and names the file at a path."""
        return not _WILDCARDS & set(self.pattern) and posixpath.basename(self.pattern) == posixpath.basename(path)


ANY_FILE = IncludeGlob("**")
