"""The history of the live state as values: its commits, and the differences between two of them."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model.assets import Address
from reconciler.model.runs import Run
from reconciler.model.state import Record


class HistoryEntry(NamedTuple):
    """One commit of the live history: who did what, when (ISO 8601), from which source commit, by which plan.

    ``command`` is the mlgit command that wrote it, ``title`` the first line of its message, ``summary_lines`` are its
    actions. ``dirty`` is True if the work tree differed from the source commit. ``step`` is how many applies ago it was
    written, 0 for the last one: ``~N`` names the newest commit with the step N.
    """

    commit: str
    author: str
    committed_at: str
    message: str
    command: str
    title: str
    summary_lines: tuple[str, ...] = ()
    source_commit: str = ""
    dirty: bool = False
    user: str = ""
    plan_digest: str = ""
    step: int = 0


class ResourceDiff(NamedTuple):
    """The changes of one address between two commits, in its record, other versions and runs; None if there is none."""

    address: Address
    before: Record | None
    after: Record | None
    versions: tuple[tuple[Record | None, Record | None], ...] = ()
    runs: tuple[tuple[Run | None, Run | None], ...] = ()
