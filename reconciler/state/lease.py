"""Claims taken, kept and given back: who holds one shows that it lives, and who has lost it can write nothing.

A holder has a ref of its own, ``beat/HOLDER``, that it moves from time to time and with every write, in the same
atomic step. Whoever takes over removes that ref with the claim, so a holder that was taken for dead and wakes up
fails at its next write, whatever the clocks say: clocks decide when to take over, never what is true.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from reconciler.diagnostics import UserError, user_error
from reconciler.git import refs
from reconciler.git.refs import NewCommit, RefUpdate
from reconciler.model import Lock
from reconciler.state import locks
from reconciler.state.lease_observations import LeaseObservations
from reconciler.state.locks import LOCKS_REF
from reconciler.state.process import has_process_exited
from reconciler.state.refs import RefStore
from reconciler.state.retry import RetryAttempts

HEARTBEAT_PREFIX = "beat/"
_HEARTBEATS_PER_LEASE = 5

LockFactory = Callable[[Mapping[str, Lock]], Lock | None]
"""Given what others hold, what to claim, or nothing at all."""


@dataclass(frozen=True, slots=True)
class LockAcquisition:
    """What came of asking for a claim: the claim with its ref, or none, and whose claims were taken over."""

    held_lock: HeldLock | None
    taken_over: tuple[Lock, ...] = ()


@dataclass(slots=True)
class HeldLock:
    """A claim while it is held. Its beat is kept up by a thread of its own."""

    ref_store: RefStore
    lock: Lock
    heartbeat: str
    lease_seconds: float
    _unconfirmed_heartbeats: set[str] = field(
        default_factory=set
    )  # beats of which it is not known whether they arrived
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def heartbeat_ref(self) -> str:
        """The ref that shows that the holder lives."""
        return f"{HEARTBEAT_PREFIX}{self.lock.holder}"

    def start_heartbeat(self) -> None:
        """Begin to beat."""
        self._thread = threading.Thread(target=self._heartbeat_loop, name="beat", daemon=True)
        self._thread.start()

    @contextmanager
    def fenced(self) -> Iterator[Callable[[str], RefUpdate]]:
        """Give what makes, of a new beat, the move that goes with a write: it fails where the claim was lost."""
        with self._mutex:
            yield self._heartbeat_update

    def next_heartbeat_commit(self) -> NewCommit:
        """Return the next beat, within `fenced`."""
        return _heartbeat_commit(self.lock.holder, self.heartbeat)

    def commit_token(self, beat: str) -> None:
        """Note that the beat has moved, within `fenced`."""
        self.heartbeat = beat
        self._unconfirmed_heartbeats.clear()

    def raise_if_lost(self) -> None:
        """Raise UserError ``claim-lost`` where another has taken over what this one held."""
        with self._mutex:
            if self._is_held():
                return
        message = "what this apply had claimed was taken from it: it was not heard of for too long, or unlocked"
        hint = "what it had recorded stands, and nothing is done twice; run `mlgit apply` again"
        raise user_error("claim-lost", message, hint)

    def release(self) -> None:
        """Give the claim back; one that was lost is gone already, one that cannot be given back runs out."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with suppress(UserError):
            self._release_lock()

    def _release_lock(self) -> None:
        title = f"{self.lock.user} gives back what was claimed"
        for attempt in RetryAttempts("the claims"):
            if attempt:  # most often what is known here is still so
                self.ref_store.fetch()
            known = self.ref_store.read_ref(LOCKS_REF)
            held = self.lock.holder in locks.list_lock_holders(self.ref_store.repository, known)
            if attempt and not (held and self._is_held()):
                return
            own = RefUpdate(self.heartbeat_ref, "", self.heartbeat)
            if held and self.ref_store.compare_and_swap(
                _locks_update(self.ref_store, known, [self.lock.holder], None, title), own
            ):
                return

    def _heartbeat_update(self, beat: str) -> RefUpdate:
        self._unconfirmed_heartbeats.add(beat)
        return RefUpdate(self.heartbeat_ref, beat, self.heartbeat)

    def _is_held(self) -> bool:
        """Tell whether the beat stands as it was left, or where a try moved it that seemed to have failed."""
        found = self.ref_store.read_ref(self.heartbeat_ref)
        if found in self._unconfirmed_heartbeats:
            self.commit_token(found)
        return found == self.heartbeat

    def _heartbeat_loop(self) -> None:
        while not self._stop.wait(self.lease_seconds / _HEARTBEATS_PER_LEASE):
            try:
                self._send_heartbeat()
            except UserError:
                continue  # the network may come back before the lease ends; a write says so if it does not

    def _send_heartbeat(self) -> None:
        with self.fenced() as fence:
            (new,) = refs.create_commits(self.ref_store.repository, [self.next_heartbeat_commit()])
            if self.ref_store.compare_and_swap(fence(new)):
                self.commit_token(new)


def acquire_lock(
    home: RefStore, sightings: LeaseObservations, ask: LockFactory, dead: Sequence[str] = ()
) -> LockAcquisition:
    """Claim what ``ask`` wants of what is free; claims of holders that have ended are taken over on the way.

    ``dead`` are holders that are known to have ended. Raises UserError where the state cannot be reached.
    """
    for _ in RetryAttempts("the claims"):
        home.fetch()
        known, beats = (
            home.read_ref(LOCKS_REF),
            home.refs_below(HEARTBEAT_PREFIX),
        )  # in this order: a beat goes with its claim
        there = locks.read_locks(home.repository, known)
        silent = sightings.observe_heartbeats({name: beats.get(name, "") for name in there})
        over = {
            name: lock
            for name, lock in there.items()
            if name in dead or _is_expired(lock, silent, sightings.lease_seconds)
        }
        others = {name: lock for name, lock in there.items() if name not in over}
        wanted = ask(others)
        if wanted is None and not over:
            return LockAcquisition(None)
        move = _locks_update(home, known, [*over], wanted, _commit_message(wanted, over.values()))
        gone = [RefUpdate(f"{HEARTBEAT_PREFIX}{name}", "", beats[name]) for name in beats if name not in others]
        own = [_first_heartbeat_update(home, wanted)] if wanted else []
        if home.compare_and_swap(move, *gone, *own):
            held = HeldLock(home, wanted, own[0].new, sightings.lease_seconds) if wanted else None
            return LockAcquisition(held, tuple(over.values()))
    raise AssertionError


def remove_lock(home: RefStore, holder: str) -> bool:
    """Take a claim away from its holder, whatever it is doing; tell whether there was one."""
    for attempt in RetryAttempts("the claims"):
        home.fetch()
        known, beat = home.read_ref(LOCKS_REF), home.read_ref(f"{HEARTBEAT_PREFIX}{holder}")
        if holder not in locks.list_lock_holders(home.repository, known):
            return False
        if not beat and not attempt:
            continue  # refs are not fetched at one instant: a claim that is new may seem to have no beat yet
        own = [RefUpdate(f"{HEARTBEAT_PREFIX}{holder}", "", beat)] if beat else []
        if home.compare_and_swap(_locks_update(home, known, [holder], None, f"unlock {holder}"), *own):
            return True
    raise AssertionError


def _is_expired(claim: Lock, silent: Mapping[str, float], lease: float) -> bool:
    """Tell whether a holder has ended, or was silent for longer than its lease."""
    return has_process_exited(claim.process) or silent[claim.holder] >= lease


def _locks_update(home: RefStore, known: str, gone: Collection[str], new: Lock | None, title: str) -> RefUpdate:
    """Return the move to the claims as they are to be; the ref goes with the last of them, and its history with it."""
    left = locks.list_lock_holders(home.repository, known) - set(gone)
    if not left and new is None:
        return RefUpdate(LOCKS_REF, "", known)
    draft = NewCommit(known, locks.lock_file_changes(gone, new), f"{title}\n")
    return RefUpdate(LOCKS_REF, refs.create_commits(home.repository, [draft])[0], known)


def _commit_message(wanted: Lock | None, over: Iterable[Lock]) -> str:
    said = f"{wanted.user} on {wanted.host} claims {len(wanted.exclusive)} addresses" if wanted else "take over"
    return "\n".join([said, *(f"\ntaken over: {lock}" for lock in over)])


def _first_heartbeat_update(home: RefStore, claim: Lock) -> RefUpdate:
    return RefUpdate(
        f"{HEARTBEAT_PREFIX}{claim.holder}",
        refs.create_commits(home.repository, [_heartbeat_commit(claim.holder, "")])[0],
        "",
    )


_heartbeat_numbers = itertools.count(1)


def _heartbeat_commit(holder: str, after: str) -> NewCommit:
    """Return a beat after another: a remote may refuse refs that do not go forward."""
    return NewCommit(after, {"beat.json": b'{"beat": %d}\n' % next(_heartbeat_numbers)}, f"{holder} lives\n")
