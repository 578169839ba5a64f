"""Which objects of a store are garbage: old ones that neither a root names nor a folder that is kept. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeVar

from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model.content import FOLDER_SUFFIX, StoredObject

_T = TypeVar("_T")
ReadListing = Callable[[str], frozenset[str]]
"""Returns the keys of the files of a folder, given the key of its list; none for a list that is missing."""


class Reason(StrEnum):
    """Why an object is kept; the first that applies counts."""

    DATA = "versions of data"
    MODELS = "versions of models"
    ASSETS = "versions of other assets"
    RUNS = "runs and their steps"
    RECORDS = "downloads and other records"
    REUSE = "results of steps, for reuse"
    FETCHED = "files of datastores, for reuse"
    ENTRIES = "files of workspaceblobstore, other entries"
    HISTORY = "earlier commits of the live state"
    OTHER_STATES = "other live states"
    UNFINISHED = "stored since the submission of a run that has not ended"
    YOUNG = "stored or used lately"


class Cause(StrEnum):
    """What is known of garbage; the first that applies counts."""

    UNUSED = "results of steps and files of datastores, not used for long"
    REMOVED = "of records that the live state has no longer"
    GIT = "files of Git that a run had; the next one stores them again"
    UNKNOWN = "of commands that did not end, or of no known record"


class Amount(NamedTuple):
    """How many objects, and their size in bytes."""

    objects: int
    size: int


class Limits(NamedTuple):
    """Since when an object must be unchanged to be garbage: in general, and while a run is unfinished. In seconds."""

    age: float
    unfinished: float

    @property
    def before(self) -> float:
        """What was stored or kept at this time or later is never garbage."""
        return min(self)


@dataclass(frozen=True, slots=True)
class RemovalPlan:
    """What is kept, by reason, and what is garbage, by cause."""

    kept: Mapping[Reason, Amount]
    garbage: Mapping[Cause, tuple[StoredObject, ...]]

    @property
    def digests(self) -> tuple[str, ...]:
        """The keys of all garbage, lists of folders first."""
        keys = (item.digest for items in self.garbage.values() for item in items)
        return tuple(sorted(keys, key=lambda key: (not key.endswith(FOLDER_SUFFIX), key)))

    @property
    def total(self) -> Amount:
        """The amount of all garbage."""
        return measure(item for items in self.garbage.values() for item in items)


_REASONS = {"data": Reason.DATA, "model": Reason.MODELS, "steps": Reason.RUNS, "unfinished": Reason.RUNS}


def reason_of(kind: str) -> Reason:
    """Return why what a record names is kept, given the kind of its asset or the folder of the live state."""
    if kind in _REASONS or kind not in kinds():
        return _REASONS.get(kind, Reason.RECORDS)
    return Reason.RUNS if kind_by_name(kind).is_runnable else Reason.ASSETS


def plan_removal(
    objects: Iterable[StoredObject],
    roots: Mapping[Reason, Iterable[str]],
    causes: Mapping[Cause, Iterable[str]],
    limits: Limits,
    read_listing: ReadListing,
) -> RemovalPlan:
    """Decide which objects are garbage: those that no root reaches, and that are older than the limits.

    What ``roots`` name is kept, with the files of folders among it. ``causes`` are what is known of the rest.
    ``read_listing`` is asked once for each folder.
    """
    present = {item.digest: item for item in objects}
    recent = {
        Reason.UNFINISHED: [key for key, item in present.items() if limits.unfinished <= item.modified < limits.age],
        Reason.YOUNG: [key for key, item in present.items() if item.modified >= limits.age],
    }
    named = [(reason, (*roots.get(reason, ()), *recent.get(reason, ()))) for reason in Reason]
    reasons = _attribute(present, named, read_listing)
    rest = {key: item for key, item in present.items() if key not in reasons}
    known = _attribute(rest, [(cause, causes.get(cause, ())) for cause in Cause], read_listing)
    return RemovalPlan(
        {
            reason: measure(present[key] for key, first in reasons.items() if first is reason)
            for reason in dict.fromkeys(sorted(reasons.values(), key=list(Reason).index))
        },
        {
            cause: items
            for cause in Cause
            if (items := tuple(item for key, item in rest.items() if known.get(key, Cause.UNKNOWN) is cause))
        },
    )


def _attribute(
    present: Mapping[str, StoredObject], roots: Sequence[tuple[_T, Iterable[str]]], read_listing: ReadListing
) -> dict[str, _T]:
    """Return why each object is named, directly or by a folder; the first root counts."""
    attributed: dict[str, _T] = {}
    for reason, keys in roots:
        for key in _with_files(present, [key for key in keys if key not in attributed], read_listing):
            attributed.setdefault(key, reason)
    return attributed


def _with_files(present: Mapping[str, StoredObject], keys: Iterable[str], read_listing: ReadListing) -> Iterator[str]:
    for key in keys:
        if key in present:
            yield key
            if key.endswith(FOLDER_SUFFIX):
                yield from (file for file in read_listing(key) if file in present)


def measure(objects: Iterable[StoredObject]) -> Amount:
    """Return the amount of some objects."""
    sizes = [item.size for item in objects]
    return Amount(len(sizes), sum(sizes))
