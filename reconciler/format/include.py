"""The globs that choose asset files: ``assets: include:`` of mlgit.yml."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

_WILDCARDS = frozenset("*?[")  # what makes a pattern of a name


@dataclass(frozen=True, slots=True)
class IncludeGlob:
    """Files that may be assets, whether apply runs the jobs among them, and their kind where they do not tell it."""

    pattern: str
    runs_on_change: bool = True
    kind: str = ""

    def is_literal_match(self, path: str) -> bool:
        """Tell whether it is no pattern but the name of this one file, which is then meant."""
        return not _WILDCARDS & set(self.pattern) and posixpath.basename(self.pattern) == posixpath.basename(path)


ANY_FILE = IncludeGlob("**")
