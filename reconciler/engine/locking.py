"""Locking: before an apply changes anything, it locks what it changes and what that refers to.

Actions that another apply locks are left to that apply; all others are executed.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from reconciler.engine.providers import Providers
from reconciler.model import Action, ActionId, Address, Json, Lock, Op, SourceRevision, exclude_actions
from reconciler.state.journal import ENDED_EVENT, STARTED_EVENT, Journal
from reconciler.state.lease import HeldLock, acquire_lock
from reconciler.state.lease_observations import open_lease_observations
from reconciler.state.locks import LOCKS_REF
from reconciler.state.process import describe_current_process, has_process_exited, host_name, user_name
from reconciler.state.store import StateStore
from reconciler.timestamps import utc_timestamp

# Environment variables in which CI systems give a run its own URL.
_CI_RUN_VARIABLES = ("CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL")
_GITHUB_VARIABLES = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")


@dataclass(frozen=True, slots=True)
class AcquiredLocks:
    """The lock that was acquired, the locks of others by the key of the action, and the locks that were taken over."""

    locked_out: Mapping[ActionId, Lock]
    held_lock: HeldLock | None
    taken_over: tuple[Lock, ...]

    def covered_actions(self, actions: Sequence[Action]) -> tuple[Action, ...]:
        """Return the actions, perhaps of a newer plan, that the lock covers together with all that they need."""
        if self.held_lock is None:
            return ()
        exclusive = self.held_lock.lock.exclusive
        locked = exclusive | self.held_lock.lock.shared

        def is_uncovered(action: Action) -> bool:
            is_covered = exclusive.issuperset(_exclusive_addresses(action))
            return not (is_covered and locked.issuperset(_shared_addresses(action)))

        return exclude_actions(actions, is_uncovered)[0]


@contextmanager
def acquire_locks(providers: Providers, source: SourceRevision, actions: Sequence[Action]) -> Iterator[AcquiredLocks]:
    """Hold a lock on what the actions change, as far as no other apply locks it, within the block."""
    store = providers.state_store
    journal, request = open_journal(store), _LockRequest(actions, source)
    exited = [
        holder
        for holder, entry in journal.interrupted_applies().items()
        if has_process_exited(entry.get("process", {}))
    ]
    observations = open_lease_observations(store, providers.config.lease)
    acquisition = acquire_lock(store.ref_store, observations, request.make_lock, exited)
    for holder in (*exited, *(lock.holder for lock in acquisition.taken_over)):
        journal.append({"event": ENDED_EVENT, "holder": holder, "at": utc_timestamp()})
    locks = AcquiredLocks(request.locked_out, acquisition.held_lock, acquisition.taken_over)
    if locks.held_lock is None:
        yield locks
    else:
        with _keep_lock(locks.held_lock, journal, source.commit):
            yield locks


@contextmanager
def _keep_lock(held_lock: HeldLock, journal: Journal, commit: str) -> Iterator[None]:
    """Send heartbeats within the block, then release the lock; both are in the journal."""
    lock, started_at = held_lock.lock, utc_timestamp()
    journal.append(
        {
            "holder": lock.holder,
            "at": started_at,
            "event": STARTED_EVENT,
            "process": dict(lock.process),
            "commit": commit,
        }
    )
    held_lock.start_heartbeat()
    try:
        yield
    finally:
        held_lock.release()
        journal.append({"holder": lock.holder, "event": ENDED_EVENT, "at": utc_timestamp()})
        journal.trim()


def release_stale_locks(store: StateStore, lease: float) -> tuple[Lock, ...]:
    """Release the locks of holders that have ended or whose lease has expired; return them."""
    if not store.ref_store.read_ref(LOCKS_REF):
        return ()
    return acquire_lock(store.ref_store, open_lease_observations(store, lease), lambda _others: None).taken_over


def open_journal(store: StateStore) -> Journal:
    """Return the journal of this clone for a live state."""
    return Journal(store.local_folder / f"journal-{store.name}-{store.target}.jsonl")


@dataclass(slots=True)
class _LockRequest:
    """The actions of an apply, divided into those that it can lock and those that others lock."""

    actions: Sequence[Action]
    source: SourceRevision
    granted: tuple[Action, ...] = ()
    locked_out: dict[ActionId, Lock] = field(default_factory=dict)

    def make_lock(self, others: Mapping[str, Lock]) -> Lock | None:
        """Return a lock for the actions that others do not lock, directly or by what they need; None without any."""
        conflicts = {action.key: lock for action in self.actions if (lock := _conflicting_lock(action, others))}
        self.granted, excluded = exclude_actions(self.actions, lambda action: action.key in conflicts)
        self.locked_out = {}
        for item in excluded:
            key = item.action.key
            self.locked_out[key] = self.locked_out[item.cause.key] if item.cause else conflicts[key]
        return self._granted_lock() if self.granted else None

    def _granted_lock(self) -> Lock:
        exclusive = frozenset(address for action in self.granted for address in _exclusive_addresses(action))
        shared = frozenset(address for action in self.granted for address in _shared_addresses(action)) - exclusive
        return Lock(
            holder=secrets.token_hex(6),
            user=user_name(),
            host=host_name(),
            since=utc_timestamp(),
            commit=self.source.commit,
            ci=_ci_run_url(os.environ),
            process=describe_current_process(),
            exclusive=exclusive,
            shared=shared,
            intents=tuple(_run_intents(self.granted)),
        )


def _conflicting_lock(action: Action, others: Mapping[str, Lock]) -> Lock | None:
    exclusive, shared = _exclusive_addresses(action), _shared_addresses(action)
    return next((lock for lock in others.values() if lock.conflicts_with(exclusive, shared)), None)


def _exclusive_addresses(action: Action) -> tuple[Address, ...]:
    return (action.address, action.moved_from) if action.moved_from else (action.address,)


def _shared_addresses(action: Action) -> tuple[Address, ...]:
    return tuple(reference.address for reference in action.resolved.references.values()) if action.resolved else ()


def _run_intents(actions: Sequence[Action]) -> Iterator[Mapping[str, Json]]:
    for action in actions:
        if action.op is Op.SUBMIT and action.run is not None:
            run = action.run
            yield {"run": run.id, "token": run.token, "backend": run.backend, "attempt": run.attempt}


def _ci_run_url(environment: Mapping[str, str]) -> str:
    """Return the URL of the CI run that mlgit is running in, "" outside CI."""
    server, repository, run = (environment.get(name, "") for name in _GITHUB_VARIABLES)
    if run:
        return f"{server}/{repository}/actions/runs/{run}"
    return next((environment[name] for name in _CI_RUN_VARIABLES if environment.get(name)), "")
