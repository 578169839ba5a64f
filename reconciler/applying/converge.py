"""Plan and apply, again and again, until there is nothing left to do, or nothing left to wait for.

Level-based: each round decides from what is, so it does not matter who did the round before, or whether that
somebody was killed in the middle of it.
"""

from __future__ import annotations

import time
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Protocol

from reconciler.applying.act import Context
from reconciler.applying.apply import apply
from reconciler.applying.ledger import open_ledger
from reconciler.applying.lock import applying
from reconciler.applying.world import World
from reconciler.diagnostics import UserError, failure
from reconciler.model import Action, Address, Event, Live, Op, Pending, Plan, Run
from reconciler.observe import active_runs, observe
from reconciler.planning.observed import fold
from reconciler.planning.plan import Desired, make_plan
from reconciler.planning.policy import Policy

_POLL_SECONDS = 0.2


class Watch(Protocol):
    """Who looks on: is told of every event, and, while only runs are left, of how they stand."""

    def event(self, event: Event) -> None: ...

    def running(self, runs: tuple[Run, ...]) -> None: ...


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be brought about: a desired state under a policy, or only what concerns one address of it."""

    desired: Desired
    policy: Policy
    title: str
    only: Address | None = None

    def allows(self, action: Action) -> bool:
        """Tell whether an action belongs to this job; advances always do."""
        return self.only is None or action.address == self.only or not action.op.decision


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended: how many actions were done, which failed, which runs failed, and what is left pending."""

    done: int
    failed: tuple[Event, ...]
    pending: tuple[Pending, ...]
    ended: frozenset[str]

    @property
    def broken(self) -> tuple[Pending, ...]:
        """The runs that failed while this apply looked on."""
        return tuple(each for each in self.pending if each.failed and each.run and each.run.id in self.ended)


def look(world: World, job: Job) -> tuple[Plan, Live]:
    """Observe and plan; a UserError where the files are wrong in the light of the live state."""
    live = world.state.read()
    plan, problems = make_plan(job.desired, live, job.policy, observe(live, world.backends))
    if problems:
        raise UserError(*problems)
    return replace(plan, actions=tuple(each for each in plan.actions if job.allows(each))), live


def converge(world: World, job: Job, approved: Plan, watch: Watch, *, wait: bool) -> Result:
    """Apply an approved plan and what follows from it; with ``wait``, until every run has ended.

    The lock is held for a round at a time, never while runs are waited for.
    """
    failed: dict[str, Event] = {}
    done: set[tuple[str, str]] = set()
    name = f"{world.state.name}-{world.state.target}"
    unseen: Plan | None = approved
    while True:
        # Who has nothing to decide and waits anyway is in no hurry; else it is better to know who is in the way.
        patient = unseen is None or (wait and not unseen.decisions)
        with applying(world.local, name, wait=patient):
            plan, live = look(world, job)
            if unseen is not None:
                _check_stale(unseen, plan)
            plan = _left(plan, failed, done)
            todo = [each for each in plan.actions if each.known_after is None]
            if todo:
                broken = _round(world, job, plan, live, watch)
                failed |= {event.action.key: event for event in broken}
                done |= {(each.key, each.version) for each in todo}
        unseen, job = None, replace(job, policy=replace(job.policy, replace=frozenset()))
        if not todo and not (wait and _a_run_ends(world, live, watch)):
            return _result(plan, failed, done)


def _a_run_ends(world: World, live: Live, watch: Watch) -> bool:
    """Wait until one of the active runs has ended; tell at once where there is none."""
    while True:
        seen, ended = fold(live, observe(live, world.backends))
        running = tuple(active_runs(seen))
        if ended or not running:
            return bool(ended)
        watch.running(running)
        time.sleep(_POLL_SECONDS)


def _left(plan: Plan, failed: Container[str], done: Container[tuple[str, str]]) -> Plan:
    """Leave out what failed or was done in an earlier round of this apply."""
    left = (each for each in plan.actions if each.key not in failed and (each.key, each.version) not in done)
    return replace(plan, actions=tuple(left))


def _round(world: World, job: Job, plan: Plan, live: Live, watch: Watch) -> tuple[Event, ...]:
    ledger = open_ledger(world.state, live, job.desired.source, job.title)
    return apply(plan, Context(world, job.desired.tree, job.desired.source, ledger, watch.event))


def _result(plan: Plan, failed: dict[str, Event], done: set[tuple[str, str]]) -> Result:
    succeeded = {(key, version) for key, version in done if key not in failed}
    ended = frozenset(version for key, version in succeeded if key.startswith(f"{Op.RECORD} "))
    return Result(len(succeeded), tuple(failed.values()), plan.pending, ended)


def _check_stale(approved: Plan, plan: Plan) -> None:
    """Refuse to do what nobody has seen: the live state moved between the plan and its approval."""
    seen = {(each.key, each.version) for each in approved.decisions}
    if not {(each.key, each.version) for each in plan.decisions} <= seen:
        message = "the live state has changed since this plan was made"
        raise failure("plan-stale", message, "run `mlgit apply` again to see what is left to do")
