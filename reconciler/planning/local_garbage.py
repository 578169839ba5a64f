"""What this machine alone has and no longer needs: copies of objects of a store, and folders of runs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, NamedTuple, Protocol, TypeVar

from reconciler.model.backend import RunFolder
from reconciler.model.content import StoredObject
from reconciler.planning.garbage import Amount


class CacheReason(StrEnum):
    """Why a copy is kept; the first that applies counts."""

    USED = "stored or used lately"
    ONLY_COPY = "not in the store as they are here, and needed"


class CacheCause(StrEnum):
    """Why a copy is not needed."""

    COPY = "copies of what the store has"
    UNREACHABLE = "of contents that nothing needs, and that the store does not have"


class RunReason(StrEnum):
    """Why the folder of a run is kept; the first that applies counts."""

    UNFINISHED = "of runs whose end is not recorded"
    RECENT = "of runs that ended lately"
    UNKNOWN = "of runs that no live state is known to have had"


class RunCause(StrEnum):
    """Why the folder of a run is not needed."""

    ENDED = "of runs whose end is recorded"
    FORGOTTEN = "of runs that the live state has no longer"
    LEFT = "left by a removal that was interrupted"


class Sized(Protocol):
    """What has a name, and takes a number of bytes."""

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    @property
    def name(self) -> str:
        """What it is called."""
        ...


Item = TypeVar("Item", bound=Sized)


@dataclass(frozen=True, slots=True)
class LocalPlan(Generic[Item]):
    """What is kept in a folder of this machine, by reason, and what is not needed, by cause."""

    kept: Mapping[str, Amount]
    garbage: Mapping[str, tuple[Item, ...]]

    @property
    def items(self) -> tuple[Item, ...]:
        """All that is not needed."""
        return tuple(item for items in self.garbage.values() for item in items)


class RunTokens(NamedTuple):
    """The tokens of runs: all that live states have, those of unfinished runs, and those that a state once had."""

    known: Collection[str]
    unfinished: Collection[str]
    forgotten: Collection[str]


def plan_cache(
    cached: Iterable[StoredObject], stored: Mapping[str, StoredObject], unreachable: Collection[str], before: float
) -> LocalPlan[StoredObject]:
    """Decide which copies are not needed: the old ones that the store has too, or that nothing needs.

    What the store has with another size, or not at all, is kept if it is needed: it may be the only copy.
    """

    def reason_of(item: StoredObject) -> CacheReason | CacheCause:
        if item.modified >= before:
            return CacheReason.USED
        if item.digest in stored and stored[item.digest].size == item.size:
            return CacheCause.COPY
        return CacheCause.UNREACHABLE if item.digest in unreachable else CacheReason.ONLY_COPY

    return _make_plan([(reason_of(item), item) for item in cached])


def plan_run_folders(folders: Iterable[RunFolder], tokens: RunTokens, before: float) -> LocalPlan[RunFolder]:
    """Decide which folders are not needed: of runs that ended before a time, and whose end a live state has or had."""

    def reason_of(folder: RunFolder) -> RunReason | RunCause:
        if folder.is_left:
            return RunCause.LEFT
        if folder.is_active or folder.token in tokens.unfinished:
            return RunReason.UNFINISHED
        if folder.modified >= before:
            return RunReason.RECENT
        if folder.token in tokens.known:
            return RunCause.ENDED
        return RunCause.FORGOTTEN if folder.token in tokens.forgotten else RunReason.UNKNOWN

    return _make_plan([(reason_of(folder), folder) for folder in folders])


def _make_plan(decided: Iterable[tuple[CacheReason | CacheCause | RunReason | RunCause, Item]]) -> LocalPlan[Item]:
    groups: dict[CacheReason | CacheCause | RunReason | RunCause, list[Item]] = {
        reason: [] for enum in (CacheReason, CacheCause, RunReason, RunCause) for reason in enum
    }
    for reason, item in decided:
        groups[reason].append(item)
    return LocalPlan(
        {
            str(reason): Amount(len(items), sum(item.size for item in items))
            for reason, items in groups.items()
            if items and isinstance(reason, CacheReason | RunReason)
        },
        {
            str(reason): tuple(items)
            for reason, items in groups.items()
            if items and isinstance(reason, CacheCause | RunCause)
        },
    )
