"""Changes of files that make Git declare what is live, as values."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model import Address


class FileChange(NamedTuple):
    """A change of a file: its path from the workspace root, its new text, None to remove it, and what that does.

    ``notes`` say what a person has to look at.
    """

    path: str
    content: str | None
    address: Address
    summary: str
    notes: tuple[str, ...] = ()


class Unwritten(NamedTuple):
    """Drift that no file is changed for, although it is to be written back, and why."""

    address: Address
    reason: str


class WriteBack(NamedTuple):
    """The changes of files, and the drift that stays."""

    changes: tuple[FileChange, ...] = ()
    unwritten: tuple[Unwritten, ...] = ()

    @property
    def addresses(self) -> frozenset[Address]:
        """The assets that Git declares as they are live once the files have changed."""
        return frozenset(change.address for change in self.changes)
