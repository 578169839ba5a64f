"""Rounds of looking, claiming and acting: each decides from what is, and keeps count of what came of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from reconciler.applying.act import Context
from reconciler.applying.apply import apply
from reconciler.applying.claiming import Claimed, claiming, journal
from reconciler.applying.job import Job, Watch
from reconciler.applying.ledger import Ledger
from reconciler.applying.world import World
from reconciler.diagnostics import UserError, has_errors
from reconciler.model import Action, Event, Live, Op, Plan, Progress
from reconciler.observe import check_store, observe
from reconciler.planning.proposal import propose

_BARRED_SECONDS = 1.0  # between looks whether another apply has given back what this one waits for
_AT_ONCE = frozenset(Op) - {Op.BUILD, Op.SUBMIT, Op.CANCEL, Op.RECORD}  # what has no more to it than being done

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
        return replace(plan, actions=tuple(each for each in plan.actions if mark(each) not in self.done))


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


@dataclass(slots=True)
class Rounds:
    """Rounds of looking, claiming and acting."""

    world: World
    job: Job
    watch: Watch
    tally: Tally
    stopping: Callable[[], bool]
    unfinished: bool = False
    _told: set[str] = field(default_factory=set)
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
        applied = apply(replace(plan, actions=(*actions, *later)), context, job.parallelism)
        self.tally.failed |= {mark(event.action): event for event in applied.failed}
        self.tally.done |= {mark(each) for each in actions if each.key not in applied.left}
        self.unfinished = bool(actions) and not self._was_all(plan)

    def _was_all(self, plan: Plan) -> bool:
        """Tell whether nothing can follow: all of the plan was done, and none of it has to do with a run."""
        undone = plan.pending or self.tally.left(plan).actions or self.tally.failed
        return not undone and all(each.op in _AT_ONCE for each in plan.actions)

    def _bar(self, todo: tuple[Action, ...], claimed: Claimed) -> None:
        for action in todo:
            if (claim := claimed.barred.get(action.key)) is not None:
                event = Event(Progress.BARRED, action, f"is being changed by {claim}")
                self.tally.barred[mark(action)] = event
                if action.key not in self._told:
                    self._told.add(action.key)
                    self._emit(event)

    def _tell(self, text: str) -> None:
        with self._lock:
            self.watch.note(text)

    def _emit(self, event: Event) -> None:
        with self._lock:
            self.watch.event(event)


def _todo(plan: Plan) -> tuple[Action, ...]:
    """Return what can be done now."""
    return tuple(each for each in plan.actions if each.known_after is None)


def mark(action: Action) -> Mark:
    """Return what an action is counted under."""
    return action.key, action.version
