"""The decisions that the controller may make without approval: those within the bounds of mlgit.yml.

A person is refused a plan that exceeds a bound and can allow it. The controller cannot ask, so it leaves out that part
of the plan and applies the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from reconciler.diagnostics import Diagnostic
from reconciler.model import Action, Address, Op, Plan, Run, State
from reconciler.planning.guard import guard_plan
from reconciler.planning.policy import Policy
from reconciler.project.prepare import AllowedDecisions
from reconciler.timestamps import parse_timestamp

RunLookup = Callable[[Address], Iterable[Run]]

NO_DECISIONS = AllowedDecisions(frozenset())

_DAY = timedelta(days=1)
_OPS_STOPPED_BY_GUARD: Mapping[str, frozenset[Op]] = {
    "too-many-runs": frozenset({Op.SUBMIT}),
    "mass-delete": frozenset({Op.ARCHIVE, Op.DELETE}),
}


def allowed_decisions(plan: Plan, state: State, policy: Policy, runs_of: RunLookup, time: datetime) -> AllowedDecisions:
    """Return the decisions of a plan that need no approval; ``runs_of`` returns the runs of a job so far."""
    repeated = {
        action.key: diagnostic
        for action in plan.submissions
        if (diagnostic := _runs_per_day_diagnostic(action, plan, policy, runs_of, time))
    }
    allowed, _ = plan.without(lambda action: action.key in repeated)
    guards = tuple(guard_plan(allowed, state, policy))
    ops = frozenset[Op]().union(*(_OPS_STOPPED_BY_GUARD[diagnostic.code] for diagnostic in guards))
    allowed, _ = allowed.without(lambda action: action.op in ops)
    return AllowedDecisions(frozenset(action.key for action in allowed.decisions), (*repeated.values(), *guards))


def _runs_per_day_diagnostic(
    action: Action, plan: Plan, policy: Policy, runs_of: RunLookup, time: datetime
) -> Diagnostic | None:
    """Return a diagnostic if a job was started too often within a day from the same commit; else None."""
    commit, limit = plan.source.effective_commit, policy.config.runs_per_day
    count = sum(run.commit == commit and _is_recent(run, time) for run in runs_of(action.address))
    if count < limit:
        return None
    times = "once" if count == 1 else f"{count} times"
    message = f"{action.address} was started {times} within a day from this commit; limits: runs_per_day: is {limit}"
    return Diagnostic("runs-per-day", message, hint="push a new commit, or run `mlgit apply` to start it anyway")


def _is_recent(run: Run, time: datetime) -> bool:
    return bool(run.submitted_at) and parse_timestamp(run.submitted_at) > time - _DAY
