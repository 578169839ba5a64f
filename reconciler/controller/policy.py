"""What nobody may decide unasked: a plan's decisions that its bounds stop, and what follows from those.

A person is refused such a plan as a whole and can allow it. The controller has nobody to ask, so it leaves that part
of the plan and goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.diagnostics import Diagnostic
from reconciler.model import Action, Address, Op, Plan, Run, State
from reconciler.planning.guard import guard_plan
from reconciler.planning.policy import Policy
from reconciler.project.prepare import AllowedDecisions

RunLookup = Callable[[Address], Iterable[Run]]

_DAY = timedelta(days=1)
_OPS_STOPPED_BY_GUARD: Mapping[str, frozenset[Op]] = {
    "too-many-runs": frozenset({Op.SUBMIT}),
    "mass-delete": frozenset({Op.ARCHIVE, Op.DELETE}),
}


NO_DECISIONS = AllowedDecisions(frozenset())


def allowed_decisions(plan: Plan, live: State, policy: Policy, runs_of: RunLookup, at: datetime) -> AllowedDecisions:
    """Return what of a plan may be decided unasked at a time, given the runs that each job had."""
    stops = {
        action.key: stop
        for action in plan.submissions
        if (stop := _runs_per_day_diagnostic(action, plan, policy, runs_of, at))
    }
    rest = _without_actions(plan, stops.keys())
    guards = tuple(guard_plan(rest, live, policy))
    ops = frozenset[Op]().union(*(_OPS_STOPPED_BY_GUARD[diagnostic.code] for diagnostic in guards))
    rest = _without_actions(rest, {action.key for action in rest.actions if action.op in ops})
    return AllowedDecisions(frozenset(action.key for action in rest.decisions), (*stops.values(), *guards))


def _runs_per_day_diagnostic(
    action: Action, plan: Plan, policy: Policy, runs_of: RunLookup, at: datetime
) -> Diagnostic | None:
    """Say that a job was started too often within a day from the very commit that it would be started from again."""
    commit, limit = plan.source.effective_commit, policy.config.runs_per_day
    recent = sum(run.commit == commit and _is_recent(run, at) for run in runs_of(action.address))
    if recent < limit:
        return None
    times = "once" if recent == 1 else f"{recent} times"
    message = f"{action.address} was started {times} within a day from this commit; limits: runs_per_day: is {limit}"
    hint = "a new commit starts it again, and so does `mlgit apply`, which asks you"
    return Diagnostic("runs-per-day", message, hint=hint)


def _is_recent(run: Run, at: datetime) -> bool:
    return bool(run.submitted_at) and datetime.fromisoformat(run.submitted_at) > at - _DAY


def _without_actions(plan: Plan, keys: Iterable[str]) -> Plan:
    """Leave actions out of a plan, and what needs them."""
    gone = set(keys)
    left: list[Action] = []
    for action in plan.actions:  # upstream comes first
        if action.key in gone or any(key in gone for key in action.needs):
            gone.add(action.key)
        else:
            left.append(action)
    return replace(plan, actions=tuple(left))
