"""What exists: runs, records, the live state they make up, and the world as it was observed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from reconciler.model.assets import EMPTY_MAPPING, Address, Json, ResolvedReference, Spec, parse_address


class RunStatus(StrEnum):
    """Where a run stands, in the words of Azure ML, lower case; intended and lost are ours."""

    INTENDED = "intended"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    LOST = "lost"

    @property
    def is_active(self) -> bool:
        """Tell whether the run may still end by itself."""
        return self in (RunStatus.INTENDED, RunStatus.QUEUED, RunStatus.RUNNING)


# Why mlgit canceled a run of its own accord.
REMOVED_FROM_GIT = "left"
SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a job.

    ``failure`` is the class of what went wrong: user, timeout, staging, engine or lost; of a canceled run who did it:
    user, or why mlgit did: LEFT, its job had left Git, or SUPERSEDED, another run had taken its place.
    """

    id: str
    address: Address
    token: str
    fingerprint: str
    attempt: int
    backend: str
    status: RunStatus
    failure: str = ""
    message: str = ""
    commit: str = ""
    submitted_at: str = ""
    started_at: str = ""
    ended_at: str = ""
    spec: Spec = field(default_factory=lambda: EMPTY_MAPPING)
    references: Mapping[str, ResolvedReference] = field(default_factory=lambda: EMPTY_MAPPING)
    contents: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
    outputs: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    metrics: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    params: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    realised: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    extra: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)

    @property
    def is_unfinished(self) -> bool:
        """Tell whether something is left to record of the run: its end, or what its outputs are in the store."""
        unstored = any("md5" not in output for output in self.outputs.values())
        return self.status.is_active or (self.status is RunStatus.COMPLETED and unstored)


@dataclass(frozen=True, slots=True)
class Record:
    """What is live under an address: the declaration as applied, what it resolved to, and what was made of it.

    ``seq`` orders versions, ``top`` is the highest that the address ever had; ``declared_at`` is the commit whose tree
    declared this; ``realised`` is the outcome of a builder or a store. Of a job, ``run`` is the current completed run,
    ``latest`` the newest one, ``unfinished`` those whose end is not recorded yet. What is ``protected`` does not go
    and is not replaced; ``formerly`` are the addresses that it had before, newest first: older versions and runs are
    kept under those. ``extra`` keeps what a newer mlgit wrote.
    """

    address: Address
    spec: Spec
    fingerprint: str
    metadata: str
    fp_version: int
    version: str = ""
    seq: int = 0
    top: int = 0
    contents: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
    references: Mapping[str, ResolvedReference] = field(default_factory=lambda: EMPTY_MAPPING)
    source: str = ""
    declared_at: str = ""
    applied_at: str = ""
    realised: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    lineage: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    run: str = ""
    latest: str = ""
    unfinished: tuple[str, ...] = ()
    archived: bool = False
    protected: bool = False
    formerly: tuple[str, ...] = ()
    extra: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)


@dataclass(frozen=True, slots=True)
class Rollback:
    """Says that somebody went back: ``commit``, and what came before it, waits until a newer one is applied.

    ``to`` is the source commit that went into force instead, ``by`` who did it, ``at`` when.
    """

    commit: str
    to: str
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class State:
    """The live state as a value: current records at hand, older versions and runs on demand."""

    lineage: str
    current: Mapping[Address, Record]
    find_run: Callable[[Address, str], Run | None]
    find_version: Callable[[Address, str], Record | None]
    commit: str = ""
    applied_commit: str = ""  # the source commit that was applied last
    store_id: str = ""  # the id of the store that was written to last
    rollback: Rollback | None = None  # somebody went back, and what is newer is not in force


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a backend says of one run; ``result`` is the runner's record once there is one."""

    status: RunStatus
    result: Mapping[str, Json] | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """The world as seen at one moment: what the backends say of the runs that were active, and what has gone.

    Of the store, ``missing`` are the keys of contents that it has lost, ``damaged`` the files of those that were read
    and are not what was put there, ``other_store`` where another store is than that of the live state; ``unbuilt`` are
    the fingerprints of environments that are not on this machine. ``unseen`` says what could not be looked at.
    """

    runs: Mapping[str, RunReport] = field(default_factory=lambda: EMPTY_MAPPING)
    missing_contents: frozenset[str] = frozenset()
    damaged_files: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: EMPTY_MAPPING)
    unbuilt_environments: frozenset[str] = frozenset()
    unexpected_store: str = ""
    skipped_checks: tuple[str, ...] = ()


_T = TypeVar("_T", Record, Run)


def lookup_under_former_names(
    current: Mapping[Address, Record], look: Callable[[Address, str], _T | None]
) -> Callable[[Address, str], _T | None]:
    """Return what looks up a version or a run, also under the names that the asset had when it was recorded."""

    def look_up(address: Address, name: str) -> _T | None:
        found = look(address, name)
        if found is not None or (record := current.get(address)) is None:
            return found
        older = (look(parse_address(former), name) for former in record.formerly)
        found = next((each for each in older if each is not None), None)
        return replace(found, address=address) if found is not None else None

    return look_up
