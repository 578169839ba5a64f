"""Find and remove the garbage of an object store (`mlgit gc`): what no live state that shares it reaches, and is old.

It is safe beside applies and runs. What they store, or use because the store has it, is young from then on; they record
it long before it is old; and a store removes an object only if it is old at that moment. What is read first is what
others write last: objects, then entries, then states.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.engine.driver.reuse import REUSE
from reconciler.engine.fetched import FETCHED
from reconciler.model.content import FOLDER_SUFFIX, StoredObject
from reconciler.model.object_store import ObjectStore
from reconciler.planning.garbage import Amount, Cause, Limits, Reason, RemovalPlan, measure, plan_removal, reason_of
from reconciler.planning.local_garbage import RunTokens
from reconciler.project.local_garbage import LocalGarbage, find_cache_garbage, find_run_garbage, list_run_folders
from reconciler.project.sharing_states import SharingStates, read_sharing_states
from reconciler.project.state_session import StateSession
from reconciler.project.store_entries import DriverEntries, StoreEntries, read_store_entries
from reconciler.state.recorded_keys import Forgotten, UnfinishedRun, find_keys, read_forgotten
from reconciler.timestamps import parse_timestamp

DEFAULT_DAYS, DEFAULT_HISTORY_DAYS, DEFAULT_REUSE_DAYS, DEFAULT_RUN_DAYS = 14.0, 30.0, 90.0, 30.0
_DAY = 86400.0
_SUBMISSION_SECONDS = _DAY  # how long before its intent the contents of a run can have been stored
_BATCH = 500  # objects that are removed between two reports

OnProgress = Callable[[int, int], object]


class GarbageOptions(NamedTuple):
    """For how many days is kept: what was stored, the live state, what is only for reuse, and the folder of a run."""

    days: float = DEFAULT_DAYS
    history_days: float = DEFAULT_HISTORY_DAYS
    reuse_days: float = DEFAULT_REUSE_DAYS
    run_days: float = DEFAULT_RUN_DAYS


@dataclass(frozen=True, slots=True)
class Garbage:
    """What is garbage in a store, and on this machine. With ``problems`` nothing may be removed.

    ``memos`` are the entries that say what a content of Git became in the store, with the keys that they name;
    ``gone_runs`` the entries of runs that no state has any longer, ``unused`` the names of those that were long not
    used, and name garbage. ``oldest`` is the unfinished run that was submitted first.
    """

    plan: RemovalPlan
    limits: Limits
    problems: tuple[Diagnostic, ...]
    memos: Mapping[str, str]
    gone_runs: tuple[DriverEntries, ...]
    unused: tuple[str, ...]
    objects: Mapping[str, StoredObject]
    oldest: UnfinishedRun | None
    local: LocalGarbage


def find_garbage(session: StateSession, store: ObjectStore, options: GarbageOptions) -> Garbage:
    """Return what is garbage in a store, as its states are now; nothing is changed but what was fetched.

    Raises UserError if the live state of the session, or the store, cannot be read.
    """
    now = time.time()
    objects = {item.digest: item for item in store.objects()}
    entries = read_store_entries(store)
    since = now - options.history_days * _DAY
    states = read_sharing_states(session, store, since)
    oldest = min(states.unfinished, key=lambda run: run.submitted_at, default=None)
    limits = _find_limits(oldest, now - options.days * _DAY)
    unused = _find_unused(entries, objects, min(limits.before, now - options.reuse_days * _DAY))
    decision = _Decision(objects, entries, states, limits, unused, _Listings(store))
    gone = decision.find_gone_runs()
    decided = decision.plan(gone, {})
    folders = [folder for folder, _ in list_run_folders(session, session.on_note).values()]
    forgotten = Forgotten(frozenset(), frozenset())
    if decided.garbage or any(folder.token not in states.tokens for folder in folders):
        forgotten = read_forgotten(session.workspace.repository, since)
    if decided.garbage:
        decided = decision.plan(gone, _find_causes(entries, gone, unused, forgotten))
    garbage = frozenset(decided.digests)
    dropped = tuple(name for name, keys in unused.items() if not keys.isdisjoint(garbage))
    cache, cache_folder = find_cache_garbage(store, objects, partial(decision.find_unreachable, gone), limits.before)
    runs, runs_folder = find_run_garbage(
        session, folders, _run_tokens(states, forgotten), now - options.run_days * _DAY
    )
    local = LocalGarbage(cache, cache_folder, limits.before, runs, runs_folder)
    problems = (*states.problems, *(_damaged_list(store, key) for key in decision.find_damaged_lists(garbage)))
    return Garbage(decided, limits, problems, entries.memos, gone, dropped, objects, oldest, local)


@dataclass(frozen=True, slots=True)
class _Decision:
    """What is known of a store and its states, and what follows from it."""

    objects: Mapping[str, StoredObject]
    entries: StoreEntries
    states: SharingStates
    limits: Limits
    unused: Collection[str]
    listings: _Listings

    def plan(self, gone: Collection[DriverEntries], causes: Mapping[Cause, Iterable[str]]) -> RemovalPlan:
        """Return what is garbage if some runs are gone."""
        return self._plan(self.objects.values(), gone, causes)

    def find_unreachable(self, gone: Collection[DriverEntries], objects: Collection[StoredObject]) -> Collection[str]:
        """Return the keys of those of some objects, which the store does not have, that nothing needs."""
        return frozenset(self._plan(objects, gone, {}).digests)

    def find_gone_runs(self) -> tuple[DriverEntries, ...]:
        """Return the runs that no state has any longer, but for those whose graph something else names."""
        gone = tuple(run for run in self.entries.runs if _is_gone(run, self.states, self.objects, self.limits))
        garbage = frozenset(self.plan(gone, {}).digests) if gone else frozenset()
        return tuple(run for run in gone if run.graph not in self.objects or run.graph in garbage)

    def find_damaged_lists(self, garbage: Collection[str]) -> list[str]:
        """Return the lists of folders that are kept, and whose files are not known."""
        return sorted(self.listings.damaged.difference(garbage))

    def _plan(
        self,
        objects: Iterable[StoredObject],
        gone: Collection[DriverEntries],
        causes: Mapping[Cause, Iterable[str]],
    ) -> RemovalPlan:
        runs = [run for run in self.entries.runs if run not in gone]
        roots = _find_roots(self.states, self.entries, runs, self.unused)
        return plan_removal(objects, roots, causes, self.limits, self.listings.read)


def _find_causes(
    entries: StoreEntries,
    gone: Iterable[DriverEntries],
    unused: Mapping[str, frozenset[str]],
    forgotten: Forgotten,
) -> Mapping[Cause, Iterable[str]]:
    return {
        Cause.REMOVED: forgotten.keys.union(*(run.keys for run in gone)),
        Cause.UNUSED: frozenset().union(*unused.values()),
        Cause.GIT: frozenset(entries.memos.values()),
    }


def _find_limits(oldest: UnfinishedRun | None, age: float) -> Limits:
    return Limits(age, min(age, _submitted_at(oldest) - _SUBMISSION_SECONDS) if oldest else age)


def _run_tokens(states: SharingStates, forgotten: Forgotten) -> RunTokens:
    return RunTokens(states.tokens, frozenset().union(*(run.tokens for run in states.unfinished)), forgotten.tokens)


def _submitted_at(run: UnfinishedRun) -> float:
    try:
        return parse_timestamp(run.submitted_at).timestamp()
    except ValueError:
        return 0.0  # then nothing may be removed


def _is_gone(run: DriverEntries, states: SharingStates, objects: Mapping[str, StoredObject], limits: Limits) -> bool:
    """Return True if no state has a run, and it was not submitted lately."""
    graph = objects.get(run.graph)
    return run.token not in states.tokens and (graph is None or graph.modified < limits.before)


def _find_unused(
    entries: StoreEntries, objects: Mapping[str, StoredObject], before: float
) -> Mapping[str, frozenset[str]]:
    """Return the entries for reuse that were not used since a time, with what they name.

    Who uses one keeps what it names, so that this is young.
    """
    return {
        name: keys
        for names in entries.reusable.values()
        for name, keys in names.items()
        if all(objects[key].modified < before for key in keys if key in objects)
    }


def _find_roots(
    states: SharingStates, entries: StoreEntries, runs: Iterable[DriverEntries], unused: Collection[str]
) -> Mapping[Reason, frozenset[str]]:
    roots: dict[Reason, set[str]] = {}
    for kind, keys in states.own.current.items():
        roots.setdefault(reason_of(kind), set()).update(keys)
    for run in runs:
        roots.setdefault(Reason.RUNS, set()).update(run.keys)
    for reason, group in ((Reason.REUSE, REUSE), (Reason.FETCHED, FETCHED)):
        used = (keys for name, keys in entries.reusable[group].items() if name not in unused)
        roots[reason] = set().union(*used)
    roots[Reason.ENTRIES] = set(entries.others)
    roots[Reason.HISTORY] = set(states.own.earlier)
    roots[Reason.OTHER_STATES] = set(states.others)
    return {reason: frozenset(keys) for reason, keys in roots.items()}


@dataclass(slots=True)
class _Listings:
    """The files of folders as the lists in the store have them, each read once; ``damaged`` lists have other bytes."""

    store: ObjectStore
    damaged: set[str] = field(default_factory=set)
    files: dict[str, frozenset[str]] = field(default_factory=dict)

    def read(self, key: str) -> frozenset[str]:
        """Return the keys of the files of a folder; none if its list is missing."""
        if key not in self.files:
            self.files[key] = self._read(key)
        return self.files[key]

    def _read(self, key: str) -> frozenset[str]:
        try:
            with self.store.open(key) as stream:
                raw = stream.read()
        except UserError as error:
            if error.diagnostics[0].code != "content-missing":
                raise
            return frozenset()
        if hashlib.md5(raw, usedforsecurity=False).hexdigest() + FOLDER_SUFFIX != key:
            self.damaged.add(key)
        return find_keys(raw)


def _damaged_list(store: ObjectStore, key: str) -> Diagnostic:
    message = f"the list of the files of {key} in the store at {store.location} is damaged, so its files are not known"
    hint = "run `mlgit verify`, which says whose it is, and make the store available again as it was"
    return Diagnostic("content-corrupt", message, hint=hint)


def remove_garbage(store: ObjectStore, garbage: Garbage, on_progress: OnProgress) -> Amount:
    """Remove garbage; return how much was removed: what was used meanwhile stays.

    It can be killed at any time: a run goes before what it needs, and what is left is garbage of the next time.
    """
    before, removed = garbage.limits.before, set[str]()
    for run in garbage.gone_runs:
        removed |= _remove_run(store, run, garbage.objects, before)
    for name in garbage.unused:  # who has read it already keeps what it names, or finds it gone
        store.delete(name)
    keys = [key for key in garbage.plan.digests if key not in removed]
    for start in range(0, max(1, len(keys)), _BATCH):  # a store also removes what transfers that were killed left
        removed |= store.remove(keys[start : start + _BATCH], before)
        on_progress(len(removed), measure(garbage.objects[key] for key in removed).size)
    for name, key in garbage.memos.items():
        if key in removed or key not in garbage.objects:
            store.delete(name)
    return measure(garbage.objects[key] for key in removed)


def _remove_run(
    store: ObjectStore, run: DriverEntries, objects: Mapping[str, StoredObject], before: float
) -> frozenset[str]:
    """Remove the garbage that is the graph of a run, and its entries; not if it was submitted again meanwhile.

    That makes its graph young.
    """
    removed = store.remove([run.graph], before) if run.graph in objects else frozenset()
    if removed or run.graph not in objects:
        for name in run.entries:
            store.delete(name)
    return removed
