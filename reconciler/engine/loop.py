"""The apply loop: refresh, plan and execute until nothing is left to do, or nothing left to wait for.

The loop is level-based: each iteration decides from the current state, so it resumes where a killed apply stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from reconciler.engine.driver.resume import resume_drivers
from reconciler.engine.providers import Providers
from reconciler.engine.reconcile import ApplyContext, Iteration, SynchronizedListener, Totals, reconcile_once
from reconciler.engine.refresh import check_store, refresh_runs
from reconciler.engine.request import ApplyListener, ApplyRequest, ApplyResult
from reconciler.model import ActionId, Address, Op, Plan, Run, RunStatus, State
from reconciler.planning.refresh import active_runs, merge_observation
from reconciler.planning.selection import upstream_addresses

_RUN_POLL_SECONDS = 0.2
_LOCK_POLL_SECONDS = 1.0


def apply_until_converged(  # noqa: PLR0913 - the request, its approval, and how long to go on
    providers: Providers,
    request: ApplyRequest,
    approved: Plan,
    listener: ApplyListener,
    *,
    wait: bool,
    is_stopping: Callable[[], bool] = lambda: False,
) -> ApplyResult:
    """Apply an approved plan and what follows from it; with ``wait``, until every run has ended.

    Locks are held for one iteration at a time, never while waiting for runs. Once ``is_stopping`` returns True, no
    action is started; running actions finish and are recorded.
    """
    context = ApplyContext(providers, request, approved, SynchronizedListener(listener), is_stopping)
    totals = Totals()
    iteration = reconcile_once(context, totals)
    baseline = request.desired.source.commit if totals.succeeded else iteration.state.applied_commit
    while not is_stopping() and _needs_another_iteration(context, totals, iteration, wait=wait):
        decided = {key.address for key in totals.done if key.op.is_decision}
        context = replace(context, request=request.without_replacements(decided))
        iteration = reconcile_once(context, totals, baseline)
    return _apply_result(iteration.plan, totals)


def _needs_another_iteration(context: ApplyContext, totals: Totals, iteration: Iteration, *, wait: bool) -> bool:
    """Return True if there is more to do now or, with ``wait``, after a lock was released or a run has ended."""
    if iteration.is_unfinished or not wait:
        return iteration.is_unfinished
    if totals.locked_out:
        time.sleep(_LOCK_POLL_SECONDS)
        return True
    return _wait_for_run(context, totals, iteration.state)


def _wait_for_run(context: ApplyContext, totals: Totals, state: State) -> bool:
    """Wait until a run has ended that this apply can record; return False if no such run is active."""
    backends, store = context.providers.backends, context.providers.store
    is_awaited = _awaited_jobs(context.request)
    reported: set[str] = set()
    while not context.is_stopping():
        observation = refresh_runs(state, backends, store)
        resume_drivers(observation, backends)
        check_store(observation)
        state_now, ended = merge_observation(state, observation)
        if any(action.versioned_key not in totals.failed and is_awaited(action.address) for action in ended):
            return True
        running = tuple(
            run
            for run in active_runs(state_now)
            if run.backend in backends and is_awaited(run.address) and not _is_given_up(totals, run)
        )
        if not running:
            return False
        problems = {*filter(None, (observation.unreachable_store,)), *observation.unreachable_backends}
        for problem in sorted(problems - reported):
            context.listener.on_note(f"{problem}; waiting until it answers")
        reported = problems
        context.listener.on_running_runs(running)
        time.sleep(_RUN_POLL_SECONDS)
    return False


def _is_given_up(totals: Totals, run: Run) -> bool:
    """Return True if this apply could not submit a run that was intended, or not cancel it: the next one does."""
    cancel = ActionId(Op.CANCEL, run.address, run.id)
    is_intended = run.status is RunStatus.INTENDED
    return any(
        key == cancel or (is_intended and (key.op, key.address) == (Op.SUBMIT, run.address)) for key in totals.failed
    )


def _awaited_jobs(request: ApplyRequest) -> Callable[[Address], bool]:
    """Return a function that tests if runs of a job are waited for: all are, or those that one asset needs."""
    only_address = request.plan_options.only_address
    if only_address is None:
        return lambda _address: True
    return upstream_addresses(request.desired.declared, only_address).__contains__


def _apply_result(plan: Plan, totals: Totals) -> ApplyResult:
    recorded = frozenset(key.version for key in totals.succeeded if key.op is Op.RECORD)
    failed, locked_out = tuple(totals.failed.values()), tuple(totals.locked_out.values())
    return ApplyResult(len(totals.succeeded), failed, locked_out, plan.blocked, recorded)
