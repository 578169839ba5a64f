"""Plan and apply, again and again, until there is nothing left to do, or nothing left to wait for.

Level-based: each round decides from what is, so it does not matter who did the round before, or whether that
somebody was killed in the middle of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Protocol

from reconciler.applying.act import Context
from reconciler.applying.apply import apply
from reconciler.applying.ledger import open_ledger
from reconciler.applying.lock import applying
from reconciler.applying.rewind import check_meanwhile, check_rewind
from reconciler.applying.world import World
from reconciler.diagnostics import UserError, failure
from reconciler.model import Action, Address, Event, Live, Op, Pending, Plan, Run
from reconciler.observe import active_runs, check_store, observe
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


@dataclass(slots=True)
class Tally:
    """What came of the actions of all rounds so far, by key and version."""

    failed: dict[tuple[str, str], Event] = field(default_factory=dict)
    done: set[tuple[str, str]] = field(default_factory=set)

    @property
    def succeeded(self) -> set[tuple[str, str]]:
        """What was done and did not fail."""
        return self.done - self.failed.keys()

    def left(self, plan: Plan) -> Plan:
        """Leave out what failed or was done in an earlier round."""
        return replace(plan, actions=tuple(each for each in plan.actions if _mark(each) not in self.done))


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
    check_store(live, world.backends, world.store.root)
    plan, problems = make_plan(job.desired, live, job.policy, observe(live, world.backends))
    if problems:
        raise UserError(*problems)
    return replace(plan, actions=tuple(each for each in plan.actions if job.allows(each))), live


def converge(world: World, job: Job, approved: Plan, watch: Watch, *, wait: bool) -> Result:
    """Apply an approved plan and what follows from it; with ``wait``, until every run has ended.

    The lock is held for a round at a time, never while runs are waited for.
    """
    tally = Tally()
    source, name = job.desired.source, f"{world.state.name}-{world.state.target}"
    # Who has nothing to decide and waits anyway is in no hurry; else it is better to know who is in the way.
    with applying(world.local, name, wait=wait and not approved.decisions):
        plan, live = look(world, job)
        check_rewind(world.repository, live, source, job.policy)
        _check_stale(approved, plan)
        todo = _round(world, job, plan, live, watch, tally)
    job = replace(job, policy=replace(job.policy, replace=frozenset()))
    first = source.commit if tally.succeeded else live.applied
    while todo or (wait and _a_run_ends(world, live, watch, tally)):
        with applying(world.local, name, wait=True):
            plan, live = look(world, job)
            check_meanwhile(world.repository, live, source, first)
            plan = tally.left(_following(approved, plan))
            todo = _round(world, job, plan, live, watch, tally)
    return _result(plan, tally)


def _a_run_ends(world: World, live: Live, watch: Watch, tally: Tally) -> bool:
    """Wait until one of the active runs has ended that this apply can record; tell at once where there is none."""
    while True:
        seen, ended = fold(live, observe(live, world.backends))
        if any(_mark(each) not in tally.failed for each in ended):
            return True
        running = tuple(run for run in active_runs(seen) if run.backend in world.backends)
        if not running:
            return False
        watch.running(running)
        time.sleep(_POLL_SECONDS)


def _following(approved: Plan, plan: Plan) -> Plan:
    """Leave out what nobody approved: later rounds finish what the first began, and decide nothing else.

    What was approved follows again where it is to be retried; what was known later, or waited, follows once it is
    known.
    """
    keys = {each.key for each in approved.decisions}
    later = {each.address for each in approved.actions if each.known_after is not None}
    later |= {each.address for each in approved.pending if not each.failed}
    left: list[Action] = []
    gone: set[str] = set()
    for each in plan.actions:
        follows = not each.op.decision or each.key in keys or each.address in later
        if follows and not any(key in gone for key in each.needs):
            left.append(each)
        else:
            gone.add(each.key)
    return replace(plan, actions=tuple(left))


def _round(world: World, job: Job, plan: Plan, live: Live, watch: Watch, tally: Tally) -> bool:  # noqa: PLR0913, PLR0917
    """Do what can be done now of a plan; tell whether there was anything."""
    todo = [each for each in plan.actions if each.known_after is None]
    if todo:
        ledger = open_ledger(world.state, live, job.desired.source, job.title, world.store.id)
        events = apply(plan, Context(world, job.desired.tree, job.desired.source, ledger, watch.event))
        tally.failed |= {_mark(event.action): event for event in events}
        tally.done |= {_mark(each) for each in todo}
    return bool(todo)


def _mark(action: Action) -> tuple[str, str]:
    return action.key, action.version


def _result(plan: Plan, tally: Tally) -> Result:
    ended = frozenset(version for key, version in tally.succeeded if key.startswith(f"{Op.RECORD} "))
    return Result(len(tally.succeeded), tuple(tally.failed.values()), plan.pending, ended)


def _check_stale(approved: Plan, plan: Plan) -> None:
    """Refuse to do what nobody has seen: the live state moved between the plan and its approval."""
    seen = {(each.key, each.version) for each in approved.decisions}
    if not {(each.key, each.version) for each in plan.decisions} <= seen:
        message = "the live state has changed since this plan was made"
        raise failure("plan-stale", message, "run `mlgit apply` again to see what is left to do")
