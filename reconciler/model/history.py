"""The history of the live state as values: what was done at each of its moments, and what differs between two."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.assets import Address
from reconciler.model.state import Record, Run


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One commit of the live history: who did what, when (ISO 8601), from which source commit, by which plan.

    ``command`` is the command of mlgit that did it, ``title`` what it said first, ``done`` what it did, one line each.
    ``changed`` says that the work tree differed from the source commit.
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


@dataclass(frozen=True, slots=True)
class ResourceDiff:
    """What became of one address between two moments: its record, its other versions, its runs; None where none was."""

    address: Address
    before: Record | None
    after: Record | None
    versions: tuple[tuple[Record | None, Record | None], ...] = ()
    runs: tuple[tuple[Run | None, Run | None], ...] = ()
