"""Plan and apply, again and again, until there is nothing left to do, or nothing left to wait for.

Level-based: each round decides from what is, so it does not matter who did the round before, or whether that
somebody was killed in the middle of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from reconciler.applying.act import Context
from reconciler.applying.apply import apply
from reconciler.applying.claiming import Claimed, claiming, journal
from reconciler.applying.ledger import Ledger
from reconciler.applying.rewind import check_meanwhile, check_rewind, lift
from reconciler.applying.world import World
from reconciler.diagnostics import UserError, failure, has_errors
from reconciler.live.process import host
from reconciler.model import Action, Address, Event, Live, Op, Pending, Plan, Progress, Run
from reconciler.observe import active_runs, check_store, observe
from reconciler.planning.drift import with_heals
from reconciler.planning.hosts import ours
from reconciler.planning.observed import fold
from reconciler.planning.plan import Desired
from reconciler.planning.policy import Policy
from reconciler.planning.proposal import propose

PARALLELISM = 4  # actions that take long, side by side
_POLL_SECONDS = 0.2
_BARRED_SECONDS = 1.0  # between looks whether another apply has given back what this one waits for
_AT_ONCE = frozenset(Op) - {Op.BUILD, Op.SUBMIT, Op.CANCEL, Op.RECORD}  # what has no more to it than being done


class Watch(Protocol):
    """Who looks on: is told of every event, of what else is worth knowing, and of runs while only they are left."""

    def event(self, event: Event) -> None: ...

    def note(self, text: str) -> None: ...

    def running(self, runs: tuple[Run, ...]) -> None: ...


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be brought about: a desired state under a policy, or only what concerns one address of it.

    ``among`` are the keys of what a saved plan decided: nothing else is decided then.
    """

    desired: Desired
    policy: Policy
    title: str
    only: Address | None = None
    among: frozenset[str] | None = None
    parallelism: int = PARALLELISM

    def allows(self, action: Action) -> bool:
        """Tell whether an action belongs to this job; advances always do."""
        wanted = self.only is None or action.address == self.only
        return not action.op.decision or (wanted and (self.among is None or action.key in self.among))


Mark = tuple[str, str]  # key and version of an action


@dataclass(slots=True)
class Tally:
    """What came of the actions of all rounds so far, by key and version."""

    failed: dict[Mark, Event] = field(default_factory=dict)
    barred: dict[Mark, Event] = field(default_factory=dict)
    done: set[Mark] = field(default_factory=set)

    @property
    def succeeded(self) -> set[Mark]:
        """What was done and did not fail."""
        return self.done - self.failed.keys()

    def left(self, plan: Plan) -> Plan:
        """Leave out what failed or was done in an earlier round."""
        return replace(plan, actions=tuple(each for each in plan.actions if _mark(each) not in self.done))


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended: how many actions were done, which failed, which runs failed, and what is left pending.

    ``barred`` are the actions that another apply has claimed.
    """

    done: int
    failed: tuple[Event, ...]
    barred: tuple[Event, ...]
    pending: tuple[Pending, ...]
    ended: frozenset[str]

    @property
    def broken(self) -> tuple[Pending, ...]:
        """The runs that failed while this apply looked on."""
        return tuple(each for each in self.pending if each.failed and each.run and each.run.id in self.ended)


def look(world: World, job: Job, known: Plan | None = None) -> tuple[Plan, Live]:
    """Observe and plan; a UserError where the files are wrong in the light of the live state."""
    world.state.home.refresh()
    live = world.state.read()
    check_store(live, world.backends, world.store.root)
    seen = observe(live, world.backends)
    if known is not None and known.state == live.commit and not seen.runs:  # nothing moved, and nothing goes on
        plan = known
    else:
        plan, problems = propose(job.desired, live, job.policy, seen)
        if has_errors(problems):
            raise UserError(*problems)
    return replace(plan, actions=tuple(each for each in plan.actions if job.allows(each))), live


def converge(  # noqa: PLR0913 - what, by whom it was approved, and until when
    world: World,
    job: Job,
    approved: Plan,
    watch: Watch,
    *,
    wait: bool,
    stopping: Callable[[], bool] = lambda: False,
) -> Result:
    """Apply an approved plan and what follows from it; with ``wait``, until every run has ended.

    What is changed is claimed for a round at a time; nothing is claimed while runs are waited for. Once it is
    ``stopping`` nothing more is begun: what is under way comes to its end and is recorded.
    """
    tally = Tally()
    rounds = _Rounds(world, job, watch, tally, stopping)
    source = job.desired.source

    def first(plan: Plan, live: Live) -> Plan:
        check_rewind(world.repository, live, source, job.policy)
        _check_stale(approved, plan)
        lift(world.state, live, source, job.policy, job.title)
        return ours(with_heals(plan, approved), world.config, host())

    plan, live = rounds.once(first, approved)
    rounds.job = replace(job, policy=replace(job.policy, replace=frozenset()))
    begun = source.commit if tally.succeeded else live.applied

    def following(plan: Plan, live: Live) -> Plan:
        check_meanwhile(world.repository, live, source, begun)
        return ours(tally.left(with_heals(_following(approved, plan), approved)), world.config, host())

    def more() -> bool:
        return rounds.unfinished or (
            wait and (rounds.somebody_is_in_the_way() or _a_run_ends(world, live, watch, tally))
        )

    while not stopping() and more():
        plan, live = rounds.once(following)
    return _result(plan, tally)


@dataclass(slots=True)
class _Rounds:
    """Rounds of looking, claiming and acting."""

    world: World
    job: Job
    watch: Watch
    tally: Tally
    stopping: Callable[[], bool]
    unfinished: bool = False
    _told: set[str] = field(default_factory=set)
    _left: set[Mark] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def once(self, narrow: Callable[[Plan, Live], Plan], known: Plan | None = None) -> tuple[Plan, Live]:
        """Do what can be done now of the plan that ``narrow`` leaves; return the plan and what it was made from."""
        plan, live = look(self.world, self.job, known)
        plan = narrow(plan, live)
        todo = _todo(plan)
        self.unfinished = False
        self.tally.barred.clear()
        if not todo:
            return plan, live
        with claiming(self.world, self.job.desired.source, todo) as claimed:
            for each in claimed.over:
                self._tell(f"took over from {each}: that apply has ended, or was not heard of for too long")
            self._bar(todo, claimed)
            if claimed.held and self.world.state.commit() != live.commit:  # somebody wrote while we were thinking
                plan, live = look(self.world, self.job)
                plan = narrow(plan, live)
            if claimed.held:
                self._act(plan, live, claimed)
        return plan, live

    def somebody_is_in_the_way(self) -> bool:
        """Wait a moment where another apply has claimed what is left to do; tell whether it was so."""
        if self.tally.barred:
            time.sleep(_BARRED_SECONDS)
        return bool(self.tally.barred)

    def _act(self, plan: Plan, live: Live, claimed: Claimed) -> None:
        job, world = self.job, self.world
        actions = claimed.covered(_todo(plan))
        later = tuple(
            each for each in plan.actions if each.known_after and claimed.barred.keys().isdisjoint(each.needs)
        )
        source, over = job.desired.source, tuple(f"took over from {each}" for each in claimed.over)
        store, notes = world.store_id(live), journal(world.state)
        ledger = Ledger(world.state, live, source, job.title, store, claimed.held, notes, notes=over)
        context = Context(world, job.desired.tree, source, ledger, self._emit, self.stopping)
        events = apply(replace(plan, actions=(*actions, *later)), context, job.parallelism)
        self.tally.failed |= {_mark(event.action): event for event in events}
        self.tally.done |= {_mark(each) for each in actions} - self._left
        self.unfinished = bool(actions) and not self._was_all(plan)

    def _was_all(self, plan: Plan) -> bool:
        """Tell whether nothing can follow: all of the plan was done, and none of it has to do with a run."""
        undone = plan.pending or self.tally.left(plan).actions or self.tally.failed
        return not undone and all(each.op in _AT_ONCE for each in plan.actions)

    def _bar(self, todo: tuple[Action, ...], claimed: Claimed) -> None:
        for action in todo:
            if (claim := claimed.barred.get(action.key)) is not None:
                event = Event(Progress.BARRED, action, f"is being changed by {claim}")
                self.tally.barred[_mark(action)] = event
                if action.key not in self._told:
                    self._told.add(action.key)
                    self._emit(event)

    def _tell(self, text: str) -> None:
        with self._lock:
            self.watch.note(text)

    def _emit(self, event: Event) -> None:
        with self._lock:
            if event.progress is Progress.WAITING:
                self._left.add(_mark(event.action))
            self.watch.event(event)


def _todo(plan: Plan) -> tuple[Action, ...]:
    """Return what can be done now."""
    return tuple(each for each in plan.actions if each.known_after is None)


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


def _mark(action: Action) -> Mark:
    return action.key, action.version


def _result(plan: Plan, tally: Tally) -> Result:
    ended = frozenset(version for key, version in tally.succeeded if key.startswith(f"{Op.RECORD} "))
    failed, barred = tuple(tally.failed.values()), tuple(tally.barred.values())
    return Result(len(tally.succeeded), failed, barred, plan.pending, ended)


def _check_stale(approved: Plan, plan: Plan) -> None:
    """Refuse to do what nobody has seen: the live state moved between the plan and its approval."""
    seen = {(each.key, each.version) for each in approved.decisions}
    if not {(each.key, each.version) for each in plan.decisions} <= seen:
        message = "the live state has changed since this plan was made"
        raise failure("plan-stale", message, "run `mlgit apply` again to see what is left to do")
