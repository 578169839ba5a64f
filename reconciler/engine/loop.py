"""Plan and apply, again and again, until there is nothing left to do, or nothing left to wait for.

Level-based: each round decides from what is, so it does not matter who did the round before, or whether that
somebody was killed in the middle of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from reconciler.diagnostics import user_error
from reconciler.engine.providers import Providers
from reconciler.engine.reconcile import Reconciler, Totals
from reconciler.engine.refresh import active_runs, refresh_runs
from reconciler.engine.request import ApplyListener, ApplyRequest, ApplyResult
from reconciler.model import Op, Plan, State
from reconciler.planning.affinity import restrict_plan_to_host
from reconciler.planning.drift import with_repairs
from reconciler.planning.refresh import merge_observation
from reconciler.state.fast_forward import check_fast_forward, check_no_concurrent_apply, lift_rollback_hold
from reconciler.state.process import host_name

_POLL_SECONDS = 0.2


def apply_until_converged(  # noqa: PLR0913 - what, by whom it was approved, and until when
    world: Providers,
    job: ApplyRequest,
    approved: Plan,
    watch: ApplyListener,
    *,
    wait: bool,
    stopping: Callable[[], bool] = lambda: False,
) -> ApplyResult:
    """Apply an approved plan and what follows from it; with ``wait``, until every run has ended.

    What is changed is claimed for a round at a time; nothing is claimed while runs are waited for. Once it is
    ``stopping`` nothing more is begun: what is under way comes to its end and is recorded.
    """
    tally = Totals()
    rounds = Reconciler(world, job, watch, tally, stopping)
    source = job.desired.source

    def first(plan: Plan, live: State) -> Plan:
        check_fast_forward(world.repository, live, source, allow_rewind=job.policy.allow_rewind)
        _check_not_stale(approved, plan)
        lift_rollback_hold(world.state_store, live, source, job.trailers, allow_rewind=job.policy.allow_rewind)
        return restrict_plan_to_host(with_repairs(plan, approved), world.config, host_name())

    plan, live = rounds.reconcile_once(first, approved)
    rounds.request = replace(job, policy=replace(job.policy, replace=frozenset()))
    begun = source.commit if tally.succeeded else live.applied_commit

    def following(plan: Plan, live: State) -> Plan:
        check_no_concurrent_apply(world.repository, live, source, begun)
        return restrict_plan_to_host(
            tally.remaining_plan(with_repairs(_without_unapproved(approved, plan), approved)), world.config, host_name()
        )

    def more() -> bool:
        if rounds.needs_another_iteration or not wait:
            return rounds.needs_another_iteration
        return rounds.wait_for_locks() or _wait_for_run(world, live, watch, tally, stopping)

    while not stopping() and more():
        plan, live = rounds.reconcile_once(following)
    return _apply_result(plan, tally)


def _wait_for_run(
    world: Providers, live: State, watch: ApplyListener, tally: Totals, stopping: Callable[[], bool]
) -> bool:
    """Wait until one of the active runs has ended that this apply can record; tell at once where there is none."""
    while not stopping():
        seen, ended = merge_observation(live, refresh_runs(live, world.backends))
        if any(action.versioned_key not in tally.failed for action in ended):
            return True
        running = tuple(run for run in active_runs(seen) if run.backend in world.backends)
        if not running:
            return False
        watch.on_running_runs(running)
        time.sleep(_POLL_SECONDS)
    return False


def _without_unapproved(approved: Plan, plan: Plan) -> Plan:
    """Leave out what nobody approved: later rounds finish what the first began, and decide nothing else.

    What was approved follows again where it is to be retried; what was known later, or waited, follows once it is
    known.
    """
    keys = {action.key for action in approved.decisions}
    later = {action.address for action in approved.actions if action.known_after is not None}
    later |= {blocked.address for blocked in approved.blocked if not blocked.failed}
    approved_plan, _ = plan.without(
        lambda action: action.op.is_decision and action.key not in keys and action.address not in later
    )
    return approved_plan


def _apply_result(plan: Plan, tally: Totals) -> ApplyResult:
    ended = frozenset(key.version for key in tally.succeeded if key.op is Op.RECORD)
    failed, barred = tuple(tally.failed.values()), tuple(tally.locked_out.values())
    return ApplyResult(len(tally.succeeded), failed, barred, plan.blocked, ended)


def _check_not_stale(approved: Plan, plan: Plan) -> None:
    """Refuse to do what nobody has seen: the live state moved between the plan and its approval."""
    seen = {action.versioned_key for action in approved.decisions}
    if not {action.versioned_key for action in plan.decisions} <= seen:
        message = "the live state has changed since this plan was made"
        raise user_error("plan-stale", message, "run `mlgit apply` again to see what is left to do")
