"""What exists: runs, records, the live state they make up, and observations of the providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from reconciler.model.assets import EMPTY_MAPPING, Address, Json, Spec, parse_address
from reconciler.model.datastores import Identity
from reconciler.model.downloads import Download, no_download
from reconciler.model.providers import Condition, Handle, Intent, Phase, Usage
from reconciler.model.resolved import ResolvedReference
from reconciler.model.runs import Run
from reconciler.model.step_runs import StepRun


@dataclass(frozen=True, slots=True)
class Record:
    """What is live under an address: the declaration as applied, what it resolved to, and what providers made of it.

    ``seq`` orders versions, ``top`` is the highest that the address ever had. ``declared_at`` is the commit whose tree
    declared this. ``realised`` is the result of a builder or a store. Of a job, ``run`` is the current completed run,
    ``latest`` the newest one, ``unfinished`` those whose end is not recorded yet. ``handle`` is what a provider calls
    the thing that it made, ``condition`` how that was when it was written last, and ``intent`` an effect on it that may
    not have happened yet: until that is settled, the record stays. What is ``protected`` is not removed or replaced.
    ``formerly`` are the addresses that it had before, newest first: older versions and runs are kept
    under those. ``extra`` keeps fields that a newer mlgit wrote.
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
    handle: Handle | None = None
    condition: Condition | None = None
    intent: Intent | None = None
    run: str = ""
    latest: str = ""
    unfinished: tuple[str, ...] = ()
    archived: bool = False
    protected: bool = False
    formerly: tuple[str, ...] = ()
    extra: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)


@dataclass(frozen=True, slots=True)
class Rollback:
    """A rollback: ``commit`` and its ancestors are not applied again until a newer commit is.

    ``to`` is the source commit that was applied instead, ``by`` the user, ``at`` the time.
    """

    commit: str
    to: str
    by: str
    at: str


def _no_runs() -> tuple[Run, ...]:
    return ()


Builds = Mapping[str, Mapping[str, Json]]
"""The first build of an environment by each builder, by the name of the builder: its identity and its lock."""


class Pin(NamedTuple):
    """The recipe of an environment of a registry as it was used first, and its version in the catalogue of mlgit."""

    version: str
    spec: Spec


class ReuseTarget(NamedTuple):
    """A target whose completed runs another target may adopt, and where its live state is."""

    target: str
    state: str
    lineage: str
    remote: str = ""


def no_pin(_name: str) -> Pin | None:
    """Return that an environment is not pinned."""
    return None


def no_steps(_run: str) -> tuple[StepRun, ...]:
    """Return that a run has no steps."""
    return ()


def no_builds(_fingerprint: str) -> Builds:
    """Return that an environment was not built."""
    return EMPTY_MAPPING


class State(NamedTuple):
    """The live state as a value: current records, and functions that read older versions and runs.

    ``find_run`` finds experiments too; ``read_open_experiments`` returns those whose end is not recorded yet.
    """

    lineage: str
    current: Mapping[Address, Record]
    find_run: Callable[[Address, str], Run | None]
    find_version: Callable[[Address, str], Record | None]
    commit: str = ""
    applied_commit: str = ""  # the source commit that was applied last
    store_id: str = ""  # the id of the store that was written to last
    rollback: Rollback | None = None  # a rollback that holds back newer commits
    rewritten: tuple[tuple[str, str], ...] = ()  # source commits, each with the one that was applied in its place
    find_builds: Callable[[str], Builds] = no_builds  # by the fingerprint of an environment
    find_pin: Callable[[str], Pin | None] = no_pin  # by the name of an environment of a registry
    read_open_experiments: Callable[[], tuple[Run, ...]] = _no_runs
    find_download: Callable[[str], Download | None] = no_download  # by the URL, as a file has it
    find_steps: Callable[[str], tuple[StepRun, ...]] = no_steps  # by the id of a pipeline or sweep run that has ended
    read_reuse_states: Callable[[], Mapping[str, State]] = dict  # of the targets whose runs may be adopted, by name


class Observation(NamedTuple):
    """What the providers report at one moment: active runs, and what is missing.

    ``handles`` are those of runs whose submission was not recorded, which were found by their tokens.
    ``missing_contents`` are the keys of contents that the store does not have, ``damaged_files`` the files by key that
    have other content than was stored. ``unexpected_store`` is where a store is that is not that of the live state:
    nothing is known of the ``unknown_runs`` then; ``unreachable_store`` is why the store cannot be asked: runs and
    contents stand as recorded. ``unreachable_backends`` are sentences on those that cannot be asked: their runs stand
    as recorded. ``unbuilt_environments`` are the fingerprints of environments that are not on this machine;
    ``moved_bases`` what the tag of an image stands for now, of environments that were built on another image;
    ``moved_locations`` what is there now of remote data that is not what was registered, None if nothing is;
    ``missing_run_files`` the ended runs that have lost files, with what is missing. ``skipped_checks`` are sentences on
    what could not be checked, ``failed_builders`` those of them that builders caused. ``usage`` is how full those
    backends are that have unfinished runs.
    """

    runs: Mapping[str, Condition] = EMPTY_MAPPING
    handles: Mapping[str, Handle] = EMPTY_MAPPING
    missing_contents: frozenset[str] = frozenset()
    damaged_files: Mapping[str, tuple[str, ...]] = EMPTY_MAPPING
    unbuilt_environments: frozenset[str] = frozenset()
    unexpected_store: str = ""
    unknown_runs: tuple[Run, ...] = ()
    unreachable_store: str = ""
    unreachable_backends: tuple[str, ...] = ()
    moved_bases: Mapping[Address, str] = MappingProxyType({})
    moved_locations: Mapping[Address, Identity | None] = MappingProxyType({})
    missing_run_files: Mapping[str, str] = EMPTY_MAPPING
    skipped_checks: tuple[str, ...] = ()
    failed_builders: tuple[str, ...] = ()
    conditions: Mapping[Address, Condition] = MappingProxyType({})  # of resources
    usage: tuple[Usage, ...] = ()

    @property
    def is_incomplete(self) -> bool:
        """True if a store or a backend could not be asked: nothing follows for runs that are not reported."""
        return bool(self.unexpected_store or self.unreachable_store or self.unreachable_backends)

    def has_answer(self, run_id: str) -> bool:
        """Return True if it is known how a run is, or that it was never submitted: it does not stand as recorded."""
        condition = self.runs.get(run_id)
        return not self.is_incomplete if condition is None else condition.phase is not Phase.UNKNOWN


_T = TypeVar("_T", Record, Run)


def lookup_under_former_names(
    current: Mapping[Address, Record], lookup: Callable[[Address, str], _T | None]
) -> Callable[[Address, str], _T | None]:
    """Return a lookup of versions or runs that also tries the former addresses of an asset."""

    def lookup_all_names(address: Address, name: str) -> _T | None:
        item = lookup(address, name)
        if item is not None or (record := current.get(address)) is None:
            return item
        former_items = (lookup(parse_address(former), name) for former in record.formerly)
        item = next((former_item for former_item in former_items if former_item is not None), None)
        return replace(item, address=address) if item is not None else None

    return lookup_all_names
