"""Before anything is changed it is claimed: what an apply is about to change, what that reads, and what it will start.

What another apply has claimed is left to that one; everything else goes on.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from reconciler.engine.providers import Providers
from reconciler.git.repository import user_name
from reconciler.model import Action, ActionId, Address, Json, Lock, Op, SourceRevision, exclude_actions
from reconciler.state.journal import ENDED_EVENT, STARTED_EVENT, Journal
from reconciler.state.lease import HeldLock, acquire_lock
from reconciler.state.lease_observations import LeaseObservations
from reconciler.state.locks import LOCKS_REF
from reconciler.state.process import describe_current_process, has_process_exited, host_name
from reconciler.state.store import StateStore
from reconciler.timestamps import utc_timestamp

# How the CI systems in use tell a run of theirs its own address.
_CI_RUN_VARIABLES = ("CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL")
_GITHUB_VARIABLES = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")


@dataclass(frozen=True, slots=True)
class AcquiredLocks:
    """What was claimed, and who bars the rest, by the key of the action; ``over`` are whose claims were ended."""

    locked_out: Mapping[ActionId, Lock]
    held_lock: HeldLock | None
    taken_over: tuple[Lock, ...]

    def covered_actions(self, actions: Sequence[Action]) -> tuple[Action, ...]:
        """Return the actions, perhaps of a newer plan, that were claimed, and so was all that they need."""
        if self.held_lock is None:
            return ()
        exclusive = self.held_lock.lock.exclusive
        claimed = exclusive | self.held_lock.lock.shared

        def is_uncovered(action: Action) -> bool:
            covered = exclusive.issuperset(_exclusive_addresses(action))
            return not (covered and claimed.issuperset(_shared_addresses(action)))

        return exclude_actions(actions, is_uncovered)[0]


@contextmanager
def acquire_locks(world: Providers, source: SourceRevision, actions: Sequence[Action]) -> Iterator[AcquiredLocks]:
    """Claim as much as is free for as long as the block goes on."""
    asked = _LockRequest(actions, source)
    notes = open_journal(world.state_store)
    dead = [
        holder for holder, entry in notes.interrupted_applies().items() if has_process_exited(entry.get("process", {}))
    ]
    taken = acquire_lock(
        world.state_store.ref_store, _lease_observations(world.state_store, world.config.lease), asked.make_lock, dead
    )
    for each in (*dead, *(claim.holder for claim in taken.taken_over)):
        notes.append({"event": ENDED_EVENT, "holder": each, "at": utc_timestamp()})
    if taken.held_lock is None:
        yield AcquiredLocks(asked.locked_out, None, taken.taken_over)
        return
    told = {"holder": taken.held_lock.lock.holder, "at": utc_timestamp()}
    notes.append(
        {**told, "event": STARTED_EVENT, "process": dict(taken.held_lock.lock.process), "commit": source.commit}
    )
    taken.held_lock.start_heartbeat()
    try:
        yield AcquiredLocks(asked.locked_out, taken.held_lock, taken.taken_over)
    finally:
        taken.held_lock.release()
        notes.append({**told, "event": ENDED_EVENT, "at": utc_timestamp()})
        notes.trim()


def release_stale_locks(state: StateStore, lease: float) -> tuple[Lock, ...]:
    """End the claims of holders that are no more; return them."""
    return (
        acquire_lock(state.ref_store, _lease_observations(state, lease), lambda _others: None).taken_over
        if state.ref_store.read_ref(LOCKS_REF)
        else ()
    )


def open_journal(state: StateStore) -> Journal:
    """Return the journal of this clone for a live state."""
    return Journal(state.local_folder / f"journal-{state.name}-{state.target}.jsonl")


def _lease_observations(state: StateStore, lease: float) -> LeaseObservations:
    return LeaseObservations(state.local_folder / f"seen-{state.name}-{state.target}.json", lease)


@dataclass(slots=True)
class _LockRequest:
    """What an apply would do, parted into what it may do and what others bar."""

    actions: Sequence[Action]
    source: SourceRevision
    granted: tuple[Action, ...] = ()
    locked_out: dict[ActionId, Lock] = field(default_factory=dict)

    def make_lock(self, others: Mapping[str, Lock]) -> Lock | None:
        """Claim for every action that nobody bars, nor anything that it needs; nothing where that is none."""
        self.locked_out = {}
        conflicts = {action.key: lock for action in self.actions if (lock := _conflicting_lock(action, others))}
        self.granted, excluded = exclude_actions(self.actions, lambda action: action.key in conflicts)
        for item in excluded:
            self.locked_out[item.action.key] = (
                self.locked_out[item.cause.key] if item.cause else conflicts[item.action.key]
            )
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
    """Return the address of the CI run that this is, "" where it is none."""
    server, repository, run = (environment.get(each, "") for each in _GITHUB_VARIABLES)
    if run:
        return f"{server}/{repository}/actions/runs/{run}"
    return next((environment[each] for each in _CI_RUN_VARIABLES if environment.get(each)), "")
