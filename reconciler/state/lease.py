"""Locks acquired, renewed and released; a holder that has lost its lock can write nothing.

A holder has a ref of its own, ``heartbeat/HOLDER``, that it moves from time to time and with every write, in the same
atomic step. The new holder removes that ref with the lock, so a holder that was taken for dead and goes on fails
at its next write, whatever the clocks say: clocks decide when to take over, the ref decides who may write.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from reconciler.diagnostics import UserError, user_error
from reconciler.git.refs import NewCommit, RefUpdate, create_commits
from reconciler.model import Lock
from reconciler.state.lease_observations import LeaseObservations
from reconciler.state.locks import LOCKS_REF, list_lock_holders, lock_file_changes, read_locks
from reconciler.state.process import has_process_exited
from reconciler.state.refs import RefStore
from reconciler.state.retry import RetryAttempts

HEARTBEAT_PREFIX = "heartbeat/"
_HEARTBEATS_PER_LEASE = 5

LockFactory = Callable[[Mapping[str, Lock]], Lock | None]
"""Given the locks of others by holder, the lock to acquire, or None for none."""


@dataclass(frozen=True, slots=True)
class LockAcquisition:
    """The result of asking for a lock: the lock, if one was acquired, and the locks that were taken over."""

    held_lock: HeldLock | None
    taken_over: tuple[Lock, ...] = ()


@dataclass(slots=True)
class HeldLock:
    """A lock while it is held. A thread of its own renews its lease."""

    ref_store: RefStore
    lock: Lock
    heartbeat: str  # the commit of the newest heartbeat
    lease_seconds: float
    _unconfirmed_heartbeats: set[str] = field(default_factory=set)  # pushed, and perhaps not arrived
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def heartbeat_ref(self) -> str:
        """The ref that shows that the holder is alive."""
        return f"{HEARTBEAT_PREFIX}{self.lock.holder}"

    def start_heartbeat(self) -> None:
        """Start the thread that renews the lease."""
        self._thread = threading.Thread(target=self._heartbeat_loop, name="heartbeat", daemon=True)
        self._thread.start()

    @contextmanager
    def fenced(self) -> Iterator[Callable[[str], RefUpdate]]:
        """Yield a function from a new heartbeat to the ref update that fences a write: it fails if the lock is lost."""
        with self._mutex:
            yield self._heartbeat_update

    def next_heartbeat_commit(self) -> NewCommit:
        """Return the next heartbeat, within `fenced`."""
        return _heartbeat_commit(self.lock.holder, self.heartbeat)

    def commit_token(self, heartbeat: str) -> None:
        """Record that the heartbeat was written, within `fenced`."""
        self.heartbeat = heartbeat
        self._unconfirmed_heartbeats.clear()

    def raise_if_lost(self) -> None:
        """Raise UserError ``lock-lost`` if another apply has taken over this lock."""
        with self._mutex:
            if self._is_held():
                return
        message = "lock lost: the lease expired or was removed with `mlgit unlock`"
        hint = "run `mlgit apply` again: what was recorded is kept, and nothing is done twice"
        raise user_error("lock-lost", message, hint)

    def release(self) -> None:
        """Release the lock. One that was lost is gone already; one that cannot be released expires."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with suppress(UserError):
            self._release_lock()

    def _release_lock(self) -> None:
        title = f"{self.lock.user} releases its lock"
        for attempt in RetryAttempts("the locks"):
            if attempt:  # most often the refs are still as this clone has them
                self.ref_store.fetch()
            commit = self.ref_store.read_ref(LOCKS_REF)
            is_listed = self.lock.holder in list_lock_holders(self.ref_store.repository, commit)
            if attempt and not (is_listed and self._is_held()):
                return
            heartbeat_removal = RefUpdate(self.heartbeat_ref, "", self.heartbeat)
            if is_listed and self.ref_store.compare_and_swap(
                _locks_update(self.ref_store, commit, [self.lock.holder], None, title), heartbeat_removal
            ):
                return

    def _heartbeat_update(self, heartbeat: str) -> RefUpdate:
        self._unconfirmed_heartbeats.add(heartbeat)
        return RefUpdate(self.heartbeat_ref, heartbeat, self.heartbeat)

    def _is_held(self) -> bool:
        """Return True if the newest heartbeat is ours, be it one whose push seemed to have failed."""
        heartbeat = self.ref_store.read_ref(self.heartbeat_ref)
        if heartbeat in self._unconfirmed_heartbeats:
            self.commit_token(heartbeat)
        return heartbeat == self.heartbeat

    def _heartbeat_loop(self) -> None:
        while not self._stop.wait(self.lease_seconds / _HEARTBEATS_PER_LEASE):
            try:
                self._send_heartbeat()
            except UserError:
                continue  # the network may come back before the lease ends; a write reports it otherwise

    def _send_heartbeat(self) -> None:
        with self.fenced() as fence:
            (heartbeat,) = create_commits(self.ref_store.repository, [self.next_heartbeat_commit()])
            if self.ref_store.compare_and_swap(fence(heartbeat)):
                self.commit_token(heartbeat)


def acquire_lock(
    ref_store: RefStore, observations: LeaseObservations, make_lock: LockFactory, dead: Sequence[str] = ()
) -> LockAcquisition:
    """Acquire the lock that ``make_lock`` asks for, given the locks of others; expired locks are taken over.

    ``dead`` are holders that are known to have exited. Raises UserError if the state cannot be reached.
    """
    for _ in RetryAttempts("the locks"):
        ref_store.fetch()
        commit = ref_store.read_ref(LOCKS_REF)  # before the heartbeats: they are removed together
        heartbeats = ref_store.refs_below(HEARTBEAT_PREFIX)
        held = read_locks(ref_store.repository, commit)
        silent_seconds = observations.observe_heartbeats({holder: heartbeats.get(holder, "") for holder in held})
        expired = {
            holder: lock
            for holder, lock in held.items()
            if holder in dead or _is_expired(lock, silent_seconds, observations.lease_seconds)
        }
        others = {holder: lock for holder, lock in held.items() if holder not in expired}
        lock = make_lock(others)
        if lock is None and not expired:
            return LockAcquisition(None)
        update = _locks_update(ref_store, commit, [*expired], lock, _commit_message(lock, expired.values()))
        removals = [
            RefUpdate(f"{HEARTBEAT_PREFIX}{holder}", "", heartbeat)
            for holder, heartbeat in heartbeats.items()
            if holder not in others
        ]
        first_heartbeat = [_first_heartbeat_update(ref_store, lock)] if lock else []
        if ref_store.compare_and_swap(update, *removals, *first_heartbeat):
            held_lock = HeldLock(ref_store, lock, first_heartbeat[0].new, observations.lease_seconds) if lock else None
            return LockAcquisition(held_lock, tuple(expired.values()))
    raise AssertionError


def remove_lock(ref_store: RefStore, holder: str) -> bool:
    """Remove a lock from its holder, whatever it is doing; return True if there was one."""
    for attempt in RetryAttempts("the locks"):
        ref_store.fetch()
        commit, heartbeat = ref_store.read_ref(LOCKS_REF), ref_store.read_ref(f"{HEARTBEAT_PREFIX}{holder}")
        if holder not in list_lock_holders(ref_store.repository, commit):
            return False
        if not heartbeat and not attempt:
            continue  # refs are not fetched at one instant: a lock that is new may seem to have no heartbeat yet
        removals = [RefUpdate(f"{HEARTBEAT_PREFIX}{holder}", "", heartbeat)] if heartbeat else []
        update = _locks_update(ref_store, commit, [holder], None, f"unlock {holder}")
        if ref_store.compare_and_swap(update, *removals):
            return True
    raise AssertionError


def _is_expired(lock: Lock, silent_seconds: Mapping[str, float], lease_seconds: float) -> bool:
    """Return True if a holder has exited, or sent no heartbeat for the time of its lease."""
    return has_process_exited(lock.process) or silent_seconds[lock.holder] >= lease_seconds


def _locks_update(
    ref_store: RefStore, commit: str, removed: Collection[str], new: Lock | None, title: str
) -> RefUpdate:
    """Return the update of the ref of locks; the ref is deleted with the last lock, and its history with it."""
    remaining = list_lock_holders(ref_store.repository, commit) - set(removed)
    if not remaining and new is None:
        return RefUpdate(LOCKS_REF, "", commit)
    new_commit = NewCommit(commit, lock_file_changes(removed, new), f"{title}\n")
    return RefUpdate(LOCKS_REF, create_commits(ref_store.repository, [new_commit])[0], commit)


def _commit_message(lock: Lock | None, taken_over: Iterable[Lock]) -> str:
    subject = f"{lock.user} on {lock.host} locks {len(lock.exclusive)} addresses" if lock else "take over"
    return "\n".join([subject, *(f"\ntaken over: {expired}" for expired in taken_over)])


def _first_heartbeat_update(ref_store: RefStore, lock: Lock) -> RefUpdate:
    (heartbeat,) = create_commits(ref_store.repository, [_heartbeat_commit(lock.holder, "")])
    return RefUpdate(f"{HEARTBEAT_PREFIX}{lock.holder}", heartbeat, "")


_heartbeat_numbers = itertools.count(1)


def _heartbeat_commit(holder: str, parent: str) -> NewCommit:
    """Return a heartbeat on top of another: a remote may refuse refs that do not go forward."""
    return NewCommit(
        parent, {"heartbeat.json": b'{"heartbeat": %d}\n' % next(_heartbeat_numbers)}, f"heartbeat of {holder}\n"
    )
