"""One iteration of the apply loop: refresh, plan, lock, execute, and count the results."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.diagnostics import UserError, has_errors, user_error
from reconciler.engine.action_context import ActionContext
from reconciler.engine.apply import execute_plan
from reconciler.engine.driver.resume import resume_drivers
from reconciler.engine.locking import AcquiredLocks, acquire_locks, open_journal
from reconciler.engine.providers import Providers
from reconciler.engine.refresh import check_store, refresh_runs, with_conditions
from reconciler.engine.request import ApplyListener, ApplyRequest
from reconciler.model import Action, ActionId, Address, Event, Observation, Op, Plan, Progress, Run, State
from reconciler.planning.affinity import restrict_plan_to_host
from reconciler.planning.drift import with_repairs
from reconciler.planning.pipeline import run_plan_pipeline
from reconciler.planning.plan import PlanInputs
from reconciler.state.fast_forward import (
    check_fast_forward,
    check_no_concurrent_apply,
    lift_rollback_hold,
    record_applied_commit,
)
from reconciler.state.process import host_name
from reconciler.state.transaction import StateTransaction

_IMMEDIATE_OPS = frozenset(Op) - {Op.BUILD, Op.SUBMIT, Op.CANCEL, Op.RECORD}  # complete as soon as they are executed


@dataclass(frozen=True, slots=True)
class SynchronizedListener:
    """Passes events on to a listener, one thread at a time."""

    listener: ApplyListener
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def on_event(self, event: Event) -> None:
        with self._mutex:
            self.listener.on_event(event)

    def on_note(self, text: str) -> None:
        with self._mutex:
            self.listener.on_note(text)

    def on_running_runs(self, runs: tuple[Run, ...]) -> None:
        with self._mutex:
            self.listener.on_running_runs(runs)


@dataclass(frozen=True, slots=True)
class ApplyContext:
    """What all iterations of one apply share."""

    providers: Providers
    request: ApplyRequest
    approved: Plan
    listener: ApplyListener
    is_stopping: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Iteration:
    """The plan of one iteration, the state it was made from, and whether another iteration has work to do."""

    plan: Plan
    state: State
    is_unfinished: bool = False


@dataclass(slots=True)
class Totals:
    """The results of all iterations so far, by action; ``locked_out`` is of the last iteration only."""

    failed: dict[ActionId, Event] = field(default_factory=dict)
    locked_out: dict[ActionId, Event] = field(default_factory=dict)
    done: set[ActionId] = field(default_factory=set)
    reported_locks: set[ActionId] = field(default_factory=set)  # keys of the actions whose lock was reported already

    @property
    def succeeded(self) -> set[ActionId]:
        """The actions that were executed and did not fail."""
        return self.done - self.failed.keys()

    def remaining_plan(self, plan: Plan) -> Plan:
        """Return the plan without the actions that were executed in an earlier iteration."""
        return plan._replace(actions=tuple(action for action in plan.actions if action.versioned_key not in self.done))


def reconcile_once(context: ApplyContext, totals: Totals, baseline: str | None = None) -> Iteration:
    """Execute the actions that are ready and not locked by another apply, and add the results to ``totals``.

    ``baseline`` is the commit that was applied last when the first iteration ended; None in the first iteration.
    """
    providers = context.providers
    plan, state = _plan_iteration(context, totals, baseline)
    ready = _ready_actions(plan)
    totals.locked_out.clear()
    if not ready:
        return Iteration(plan, state)
    with acquire_locks(providers, context.request.desired.source, ready) as locks:
        _report_locks(context, totals, ready, locks)
        if locks.held_lock is None:
            return Iteration(plan, state)
        if providers.state_store.head_commit() != state.commit:  # another apply wrote before the locks were acquired
            plan, state = _plan_iteration(context, totals, baseline)
        executed = _execute_actions(context, totals, plan, state, locks)
    return Iteration(plan, state, is_unfinished=executed and not _is_complete(plan, totals))


def _plan_iteration(context: ApplyContext, totals: Totals, baseline: str | None) -> tuple[Plan, State]:
    """Refresh the active runs, plan, check the plan, and keep the approved actions that remain for this host.

    The approved plan is taken if nothing has changed since it was made.
    """
    providers, approved = context.providers, context.approved
    providers.state_store.ref_store.fetch()
    state = providers.state_store.read()
    observation = refresh_runs(state, providers.backends, providers.store)
    resume_drivers(observation, providers.backends)
    observation = with_conditions(observation, state, providers.resources, providers.clusters)
    check_store(observation)
    if baseline is None and approved.state_commit == state.commit and not (observation.runs or observation.conditions):
        plan = approved
    else:
        plan = _make_allowed_plan(context.request, state, observation)
    if baseline is None:
        _check_first_plan(context, plan, state)
    else:
        repository = providers.state_store.repository
        check_no_concurrent_apply(repository, state, context.request.desired.source, baseline)
    remaining = totals.remaining_plan(with_repairs(_without_unapproved(approved, plan), approved))
    return restrict_plan_to_host(remaining, providers.config, host_name()), state


def _make_allowed_plan(request: ApplyRequest, state: State, observation: Observation) -> Plan:
    """Plan again; raise UserError if the files do not fit the state."""
    plan, diagnostics = run_plan_pipeline(PlanInputs(request.desired, state, request.plan_options, observation))
    if has_errors(diagnostics):
        raise UserError(*diagnostics)
    return plan._replace(actions=tuple(action for action in plan.actions if request.is_allowed(action)))


def _check_first_plan(context: ApplyContext, plan: Plan, state: State) -> None:
    """Raise UserError if the source commit may not be applied or the plan is stale; else end a rollback hold."""
    providers, request = context.providers, context.request
    source, allow_rewind = request.desired.source, request.plan_options.allow_rewind
    check_fast_forward(providers.state_store.repository, state, source, allow_rewind=allow_rewind)
    _check_not_stale(context.approved, plan, f"mlgit apply{request.plan_options.destroy_option}")
    lift_rollback_hold(providers.state_store, state, source, request.trailers, allow_rewind=allow_rewind)
    if state.rollback is None:
        record_applied_commit(providers.state_store, state, source, request.trailers, allow_rewind=allow_rewind)


def _check_not_stale(approved: Plan, plan: Plan, command: str) -> None:
    """Raise UserError ``plan-stale`` if the plan has a decision that was not approved, nor announced as waiting."""
    ids, later = {action.versioned_key for action in approved.decisions}, _addresses_decided_later(approved)
    if not all(action.versioned_key in ids or action.address in later for action in plan.decisions):
        message = "the live state has changed since this plan was made"
        raise user_error("plan-stale", message, f"run `{command}` again to see the new plan")


def _without_unapproved(approved: Plan, plan: Plan) -> Plan:
    """Return the plan without the decisions that were not approved, and what needs them.

    Approved decisions stay, so that they can be retried; so do those of an address whose details were known only after
    another action, or which waited.
    """
    keys, later = {action.key for action in approved.decisions}, _addresses_decided_later(approved)
    remaining, _ = plan.without(
        lambda action: action.op.is_decision and action.key not in keys and action.address not in later
    )
    return remaining


def _addresses_decided_later(approved: Plan) -> set[Address]:
    """Return the addresses whose details were known only after another action, or which waited."""
    later = {action.address for action in approved.actions if action.known_after is not None}
    return later | {blocked.address for blocked in approved.blocked if not blocked.failed}


def _execute_actions(context: ApplyContext, totals: Totals, plan: Plan, state: State, locks: AcquiredLocks) -> bool:
    """Execute the actions that the locks cover; return True if there were any."""
    providers, request = context.providers, context.request
    actions = locks.covered_actions(_ready_actions(plan))
    unlocked, _ = plan.without(lambda action: action.key in locks.locked_out)
    deferred = tuple(action for action in unlocked.actions if action.known_after)
    transaction = StateTransaction(
        providers.state_store,
        state,
        request.desired.source,
        request.trailers,
        state.store_id if request.plan_options.destroy else providers.store_id(state),  # a destroy needs no store
        locks.held_lock,
        open_journal(providers.state_store),
        command="destroy" if request.plan_options.destroy else "apply",
        notes=tuple(f"took over from {lock}" for lock in locks.taken_over),
    )
    action_context = ActionContext(
        providers,
        request.desired.tree,
        request.desired.source,
        transaction,
        context.listener.on_event,
        context.is_stopping,
    )
    executed = execute_plan(plan._replace(actions=(*actions, *deferred)), action_context, request.parallelism)
    totals.failed |= {event.action.versioned_key: event for event in executed.failed}
    totals.done |= {action.versioned_key for action in actions if action.key not in executed.not_started}
    return bool(actions)


def _is_complete(plan: Plan, totals: Totals) -> bool:
    """Return True if nothing can follow: all of the plan was executed, and none of it concerns a run."""
    remaining = plan.blocked or totals.remaining_plan(plan).actions or totals.failed
    return not remaining and all(action.op in _IMMEDIATE_OPS for action in plan.actions)


def _report_locks(context: ApplyContext, totals: Totals, actions: tuple[Action, ...], locks: AcquiredLocks) -> None:
    """Report the locks that were taken over, and the actions that another apply locks, each once."""
    for lock in locks.taken_over:
        context.listener.on_note(f"took over from {lock}: that apply has ended, or its lease has expired")
    for action in actions:
        holder = locks.locked_out.get(action.key)
        if holder is None:
            continue
        event = Event(Progress.LOCKED, action, f"is locked by {holder}")
        totals.locked_out[action.versioned_key] = event
        if action.key not in totals.reported_locks:
            totals.reported_locks.add(action.key)
            context.listener.on_event(event)


def _ready_actions(plan: Plan) -> tuple[Action, ...]:
    """Return the actions whose details are known, so that they can be executed now."""
    return tuple(action for action in plan.actions if action.known_after is None)
