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

from reconciler.diagnostics import UserError, failure
from reconciler.git import refs
from reconciler.git.refs import Draft, Move
from reconciler.live import claims as claimed
from reconciler.live.claims import REF
from reconciler.live.home import Home
from reconciler.live.process import ended
from reconciler.live.sightings import Sightings
from reconciler.live.turns import Turns
from reconciler.model import Claim

BEATS = "beat/"
_BEATS_PER_LEASE = 5

Ask = Callable[[Mapping[str, Claim]], Claim | None]
"""Given what others hold, what to claim, or nothing at all."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of asking for a claim: the claim with its ref, or none, and whose claims were taken over."""

    held: Held | None
    over: tuple[Claim, ...] = ()


@dataclass(slots=True)
class Held:
    """A claim while it is held. Its beat is kept up by a thread of its own."""

    home: Home
    claim: Claim
    beat: str
    lease: float
    _tried: set[str] = field(default_factory=set)  # beats of which it is not known whether they arrived
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def ref(self) -> str:
        """The ref that shows that the holder lives."""
        return f"{BEATS}{self.claim.holder}"

    def begin(self) -> None:
        """Begin to beat."""
        self._thread = threading.Thread(target=self._keep_beating, name="beat", daemon=True)
        self._thread.start()

    @contextmanager
    def fenced(self) -> Iterator[Callable[[str], Move]]:
        """Give what makes, of a new beat, the move that goes with a write: it fails where the claim was lost."""
        with self._lock:
            yield self._next

    def draft(self) -> Draft:
        """Return the next beat, within `fenced`."""
        return _beat(self.claim.holder, self.beat)

    def moved(self, beat: str) -> None:
        """Note that the beat has moved, within `fenced`."""
        self.beat = beat
        self._tried.clear()

    def check(self) -> None:
        """Raise UserError ``claim-lost`` where another has taken over what this one held."""
        with self._lock:
            if self._lives():
                return
        message = "what this apply had claimed was taken from it: it was not heard of for too long, or unlocked"
        hint = "what it had recorded stands, and nothing is done twice; run `mlgit apply` again"
        raise failure("claim-lost", message, hint)

    def release(self) -> None:
        """Give the claim back; one that was lost is gone already, one that cannot be given back runs out."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with suppress(UserError):
            self._give_back()

    def _give_back(self) -> None:
        title = f"{self.claim.user} gives back what was claimed"
        for attempt in Turns("the claims"):
            if attempt:  # most often what is known here is still so
                self.home.refresh()
            known = self.home.read(REF)
            held = self.claim.holder in claimed.holders(self.home.repository, known)
            if attempt and not (held and self._lives()):
                return
            own = Move(self.ref, "", self.beat)
            if held and self.home.swap(_claims(self.home, known, [self.claim.holder], None, title), own):
                return

    def _next(self, beat: str) -> Move:
        self._tried.add(beat)
        return Move(self.ref, beat, self.beat)

    def _lives(self) -> bool:
        """Tell whether the beat stands as it was left, or where a try moved it that seemed to have failed."""
        found = self.home.read(self.ref)
        if found in self._tried:
            self.moved(found)
        return found == self.beat

    def _keep_beating(self) -> None:
        while not self._stop.wait(self.lease / _BEATS_PER_LEASE):
            try:
                self._beat_once()
            except UserError:
                continue  # the network may come back before the lease ends; a write says so if it does not

    def _beat_once(self) -> None:
        with self.fenced() as fence:
            (new,) = refs.commits(self.home.repository, [self.draft()])
            if self.home.swap(fence(new)):
                self.moved(new)


def take(home: Home, sightings: Sightings, ask: Ask, dead: Sequence[str] = ()) -> Taken:
    """Claim what ``ask`` wants of what is free; claims of holders that have ended are taken over on the way.

    ``dead`` are holders that are known to have ended. Raises UserError where the state cannot be reached.
    """
    for _ in Turns("the claims"):
        home.refresh()
        known, beats = home.read(REF), home.below(BEATS)  # in this order: a beat goes with its claim
        there = claimed.read(home.repository, known)
        silent = sightings.note({name: beats.get(name, "") for name in there})
        over = {name: each for name, each in there.items() if name in dead or _is_over(each, silent, sightings.lease)}
        others = {name: each for name, each in there.items() if name not in over}
        wanted = ask(others)
        if wanted is None and not over:
            return Taken(None)
        move = _claims(home, known, [*over], wanted, _title(wanted, over.values()))
        gone = [Move(f"{BEATS}{name}", "", beats[name]) for name in beats if name not in others]
        own = [_first_beat(home, wanted)] if wanted else []
        if home.swap(move, *gone, *own):
            held = Held(home, wanted, own[0].new, sightings.lease) if wanted else None
            return Taken(held, tuple(over.values()))
    raise AssertionError


def remove(home: Home, holder: str) -> bool:
    """Take a claim away from its holder, whatever it is doing; tell whether there was one."""
    for attempt in Turns("the claims"):
        home.refresh()
        known, beat = home.read(REF), home.read(f"{BEATS}{holder}")
        if holder not in claimed.holders(home.repository, known):
            return False
        if not beat and not attempt:
            continue  # refs are not fetched at one instant: a claim that is new may seem to have no beat yet
        own = [Move(f"{BEATS}{holder}", "", beat)] if beat else []
        if home.swap(_claims(home, known, [holder], None, f"unlock {holder}"), *own):
            return True
    raise AssertionError


def _is_over(claim: Claim, silent: Mapping[str, float], lease: float) -> bool:
    """Tell whether a holder has ended, or was silent for longer than its lease."""
    return ended(claim.process) or silent[claim.holder] >= lease


def _claims(home: Home, known: str, gone: Collection[str], new: Claim | None, title: str) -> Move:
    """Return the move to the claims as they are to be; the ref goes with the last of them, and its history with it."""
    left = claimed.holders(home.repository, known) - set(gone)
    if not left and new is None:
        return Move(REF, "", known)
    draft = Draft(known, claimed.files(gone, new), f"{title}\n")
    return Move(REF, refs.commits(home.repository, [draft])[0], known)


def _title(wanted: Claim | None, over: Iterable[Claim]) -> str:
    said = f"{wanted.user} on {wanted.host} claims {len(wanted.exclusive)} addresses" if wanted else "take over"
    return "\n".join([said, *(f"\ntaken over: {each}" for each in over)])


def _first_beat(home: Home, claim: Claim) -> Move:
    return Move(f"{BEATS}{claim.holder}", refs.commits(home.repository, [_beat(claim.holder, "")])[0], "")


_beats = itertools.count(1)


def _beat(holder: str, after: str) -> Draft:
    """Return a beat after another: a remote may refuse refs that do not go forward."""
    return Draft(after, {"beat.json": b'{"beat": %d}\n' % next(_beats)}, f"{holder} lives\n")
