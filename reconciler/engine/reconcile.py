"""Rounds of looking, claiming and acting: each decides from what is, and keeps count of what came of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from reconciler.diagnostics import UserError, has_errors
from reconciler.engine.actions import ActionContext
from reconciler.engine.apply import execute_plan
from reconciler.engine.locking import AcquiredLocks, acquire_locks, open_journal
from reconciler.engine.providers import Providers
from reconciler.engine.refresh import check_store_id, refresh_runs
from reconciler.engine.request import ApplyListener, ApplyRequest
from reconciler.model import Action, ActionId, Event, Op, Plan, Progress, State
from reconciler.planning.pipeline import run_plan_pipeline
from reconciler.state.transaction import StateTransaction

_LOCK_WAIT_SECONDS = 1.0  # between looks whether another apply has given back what this one waits for
_IMMEDIATE_OPS = frozenset(Op) - {Op.BUILD, Op.SUBMIT, Op.CANCEL, Op.RECORD}  # what has no more to it than being done


@dataclass(slots=True)
class Totals:
    """What came of the actions of all rounds so far, by key and version."""

    failed: dict[ActionId, Event] = field(default_factory=dict)
    locked_out: dict[ActionId, Event] = field(default_factory=dict)
    done: set[ActionId] = field(default_factory=set)

    @property
    def succeeded(self) -> set[ActionId]:
        """What was done and did not fail."""
        return self.done - self.failed.keys()

    def remaining_plan(self, plan: Plan) -> Plan:
        """Leave out what failed or was done in an earlier round."""
        return replace(plan, actions=tuple(action for action in plan.actions if action.versioned_key not in self.done))


def refresh_and_plan(world: Providers, job: ApplyRequest, known: Plan | None = None) -> tuple[Plan, State]:
    """Observe and plan; a UserError where the files are wrong in the light of the live state."""
    world.state_store.ref_store.fetch()
    live = world.state_store.read()
    check_store_id(live, world.backends, world.store.root)
    seen = refresh_runs(live, world.backends)
    if known is not None and known.state_commit == live.commit and not seen.runs:  # nothing moved, and nothing goes on
        plan = known
    else:
        plan, problems = run_plan_pipeline(job.desired, live, job.policy, seen)
        if has_errors(problems):
            raise UserError(*problems)
    return replace(plan, actions=tuple(action for action in plan.actions if job.is_allowed(action))), live


@dataclass(slots=True)
class Reconciler:
    """Rounds of looking, claiming and acting."""

    providers: Providers
    request: ApplyRequest
    listener: ApplyListener
    totals: Totals
    is_stopping: Callable[[], bool]
    needs_another_iteration: bool = False
    _reported_keys: set[ActionId] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reconcile_once(self, narrow: Callable[[Plan, State], Plan], known: Plan | None = None) -> tuple[Plan, State]:
        """Do what can be done now of the plan that ``narrow`` leaves; return the plan and what it was made from."""
        plan, live = refresh_and_plan(self.providers, self.request, known)
        plan = narrow(plan, live)
        todo = _ready_actions(plan)
        self.needs_another_iteration = False
        self.totals.locked_out.clear()
        if not todo:
            return plan, live
        with acquire_locks(self.providers, self.request.desired.source, todo) as claimed:
            for lock in claimed.taken_over:
                self._emit_note(f"took over from {lock}: that apply has ended, or was not heard of for too long")
            self._report_locked_out(todo, claimed)
            if (
                claimed.held_lock and self.providers.state_store.head_commit() != live.commit
            ):  # somebody wrote while we were thinking
                plan, live = refresh_and_plan(self.providers, self.request)
                plan = narrow(plan, live)
            if claimed.held_lock:
                self._execute_actions(plan, live, claimed)
        return plan, live

    def wait_for_locks(self) -> bool:
        """Wait a moment where another apply has claimed what is left to do; tell whether it was so."""
        if self.totals.locked_out:
            time.sleep(_LOCK_WAIT_SECONDS)
        return bool(self.totals.locked_out)

    def _execute_actions(self, plan: Plan, live: State, claimed: AcquiredLocks) -> None:
        job, world = self.request, self.providers
        actions = claimed.covered_actions(_ready_actions(plan))
        unlocked, _ = plan.without(lambda action: action.key in claimed.locked_out)
        later = tuple(action for action in unlocked.actions if action.known_after)
        source, over = job.desired.source, tuple(f"took over from {lock}" for lock in claimed.taken_over)
        store, notes = world.store_id(live), open_journal(world.state_store)
        ledger = StateTransaction(
            world.state_store, live, source, job.trailers, store, claimed.held_lock, notes, notes=over
        )
        context = ActionContext(world, job.desired.tree, source, ledger, self._emit_event, self.is_stopping)
        applied = execute_plan(replace(plan, actions=(*actions, *later)), context, job.parallelism)
        self.totals.failed |= {event.action.versioned_key: event for event in applied.failed}
        self.totals.done |= {action.versioned_key for action in actions if action.key not in applied.not_started}
        self.needs_another_iteration = bool(actions) and not self._is_complete(plan)

    def _is_complete(self, plan: Plan) -> bool:
        """Tell whether nothing can follow: all of the plan was done, and none of it has to do with a run."""
        undone = plan.blocked or self.totals.remaining_plan(plan).actions or self.totals.failed
        return not undone and all(action.op in _IMMEDIATE_OPS for action in plan.actions)

    def _report_locked_out(self, todo: tuple[Action, ...], claimed: AcquiredLocks) -> None:
        for action in todo:
            if (claim := claimed.locked_out.get(action.key)) is not None:
                event = Event(Progress.LOCKED, action, f"is being changed by {claim}")
                self.totals.locked_out[action.versioned_key] = event
                if action.key not in self._reported_keys:
                    self._reported_keys.add(action.key)
                    self._emit_event(event)

    def _emit_note(self, text: str) -> None:
        with self._lock:
            self.listener.on_note(text)

    def _emit_event(self, event: Event) -> None:
        with self._lock:
            self.listener.on_event(event)


def _ready_actions(plan: Plan) -> tuple[Action, ...]:
    """Return what can be done now."""
    return tuple(action for action in plan.actions if action.known_after is None)
