"""Before anything is changed it is claimed: what an apply is about to change, what that reads, and what it will start.

What another apply has claimed is left to that one; everything else goes on.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from reconciler.applying.clock import now
from reconciler.applying.world import World
from reconciler.git.repository import user
from reconciler.live.claims import REF
from reconciler.live.holding import Held, take
from reconciler.live.journal import BEGUN, ENDED, Journal
from reconciler.live.process import ended, host, this
from reconciler.live.sightings import Sightings
from reconciler.live.state import State
from reconciler.model import Action, Address, Claim, Json, Op, Source

# How the CI systems in use tell a run of theirs its own address.
_CI_RUN = ("CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL")
_GITHUB = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")


@dataclass(frozen=True, slots=True)
class Claimed:
    """What was claimed, and who bars the rest, by the key of the action; ``over`` are whose claims were ended."""

    barred: Mapping[str, Claim]
    held: Held | None
    over: tuple[Claim, ...]

    def covered(self, actions: Sequence[Action]) -> tuple[Action, ...]:
        """Return the actions, perhaps of a newer plan, that were claimed, and so was all that they need."""
        if self.held is None:
            return ()
        exclusive = self.held.claim.exclusive
        claimed = exclusive | self.held.claim.shared
        left: list[Action] = []
        out: set[str] = set()
        for each in actions:
            covered = exclusive.issuperset(_changed(each)) and claimed.issuperset(_read(each))
            if covered and out.isdisjoint(each.needs):
                left.append(each)
            else:
                out.add(each.key)
        return tuple(left)


@contextmanager
def claiming(world: World, source: Source, actions: Sequence[Action]) -> Iterator[Claimed]:
    """Claim as much as is free for as long as the block goes on."""
    asked = _Asked(actions, source)
    notes = journal(world.state)
    dead = [holder for holder, entry in notes.cut_off().items() if ended(entry.get("process", {}))]
    taken = take(world.state.home, _sightings(world.state, world.config.lease), asked.claim, dead)
    for each in (*dead, *(claim.holder for claim in taken.over)):
        notes.append({"event": ENDED, "holder": each, "at": now()})
    if taken.held is None:
        yield Claimed(asked.barred, None, taken.over)
        return
    told = {"holder": taken.held.claim.holder, "at": now()}
    notes.append({**told, "event": BEGUN, "process": dict(taken.held.claim.process), "commit": source.commit})
    taken.held.begin()
    try:
        yield Claimed(asked.barred, taken.held, taken.over)
    finally:
        taken.held.release()
        notes.append({**told, "event": ENDED, "at": now()})
        notes.trim()


def sweep(state: State, lease: float) -> tuple[Claim, ...]:
    """End the claims of holders that are no more; return them."""
    return take(state.home, _sightings(state, lease), lambda _others: None).over if state.home.read(REF) else ()


def journal(state: State) -> Journal:
    """Return the journal of this clone for a live state."""
    return Journal(state.local / f"journal-{state.name}-{state.target}.jsonl")


def _sightings(state: State, lease: float) -> Sightings:
    return Sightings(state.local / f"seen-{state.name}-{state.target}.json", lease)


@dataclass(slots=True)
class _Asked:
    """What an apply would do, parted into what it may do and what others bar."""

    actions: Sequence[Action]
    source: Source
    granted: list[Action] = field(default_factory=list)
    barred: dict[str, Claim] = field(default_factory=dict)

    def claim(self, others: Mapping[str, Claim]) -> Claim | None:
        """Claim for every action that nobody bars, nor anything that it needs; nothing where that is none."""
        self.granted, self.barred = [], {}
        for action in self.actions:
            by = next((each for each in others.values() if each.bars(_changed(action), _read(action))), None)
            by = by or next((self.barred[key] for key in action.needs if key in self.barred), None)
            if by is None:
                self.granted.append(action)
            else:
                self.barred[action.key] = by
        return self._made() if self.granted else None

    def _made(self) -> Claim:
        exclusive = frozenset(each for action in self.granted for each in _changed(action))
        shared = frozenset(each for action in self.granted for each in _read(action)) - exclusive
        return Claim(
            holder=secrets.token_hex(6),
            user=user(),
            host=host(),
            since=now(),
            commit=self.source.commit,
            ci=_ci(os.environ),
            process=this(),
            exclusive=exclusive,
            shared=shared,
            intents=tuple(_intents(self.granted)),
        )


def _changed(action: Action) -> tuple[Address, ...]:
    return (action.address, action.moved_from) if action.moved_from else (action.address,)


def _read(action: Action) -> tuple[Address, ...]:
    return tuple(each.address for each in action.node.references.values()) if action.node else ()


def _intents(actions: Sequence[Action]) -> Iterator[Mapping[str, Json]]:
    for each in actions:
        if each.op is Op.SUBMIT and each.run is not None:
            run = each.run
            yield {"run": run.id, "token": run.token, "backend": run.backend, "attempt": run.attempt}


def _ci(environment: Mapping[str, str]) -> str:
    """Return the address of the CI run that this is, "" where it is none."""
    server, repository, run = (environment.get(each, "") for each in _GITHUB)
    if run:
        return f"{server}/{repository}/actions/runs/{run}"
    return next((environment[each] for each in _CI_RUN if environment.get(each)), "")
