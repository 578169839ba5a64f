"""A store in a folder whose user is killed while it removes what is garbage."""

from __future__ import annotations

from pathlib import Path

from reconciler.storage.folder_store import FolderStore


class Killed(BaseException):
    """The command was killed."""


class DyingStore(FolderStore):
    """A store whose user is killed before it has removed so many things."""

    def __init__(self, root: Path, steps: int) -> None:
        super().__init__(root)
        self.steps = steps

    def _count(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise Killed

    def remove(self, digests, before):
        removed = set()
        for digest in digests:
            self._count()
            removed |= super().remove([digest], before)
        return frozenset(removed)

    def delete(self, name):
        self._count()
        super().delete(name)
