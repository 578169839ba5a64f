"""What nobody may decide unasked: a plan's decisions that its bounds stop, and what follows from those.

A person is refused such a plan as a whole and can allow it. The controller has nobody to ask, so it leaves that part
of the plan and goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciler.diagnostics import Diagnostic
from reconciler.model import Action, ActionId, Address, Op, Plan, Run, State
from reconciler.planning.guard import guard_plan
from reconciler.planning.policy import Policy
from reconciler.planning.protection import protection_diagnostics
from reconciler.timestamps import parse_timestamp

RunLookup = Callable[[Address], Iterable[Run]]

_DAY = timedelta(days=1)
_OPS_STOPPED_BY_GUARD: Mapping[str, frozenset[Op]] = {
    "too-many-runs": frozenset({Op.SUBMIT}),
    "mass-delete": frozenset({Op.ARCHIVE, Op.DELETE}),
}


@dataclass(frozen=True, slots=True)
class AllowedDecisions:
    """The keys of the decisions that may be made unasked, and why the others may not."""

    keys: frozenset[ActionId]
    stop_reasons: tuple[Diagnostic, ...]


NO_DECISIONS = AllowedDecisions(frozenset(), ())


def allowed_decisions(plan: Plan, live: State, policy: Policy, runs_of: RunLookup, at: datetime) -> AllowedDecisions:
    """Return what of a plan may be decided unasked at a time, given the runs that each job had."""
    stops = {
        action.key: stop
        for action in plan.submissions
        if (stop := _runs_per_day_diagnostic(action, plan, policy, runs_of, at))
    }
    rest, _ = plan.without(lambda action: action.key in stops)
    guards = tuple(guard_plan(rest, live, policy))
    ops = frozenset[Op]().union(*(_OPS_STOPPED_BY_GUARD[diagnostic.code] for diagnostic in guards))
    rest, _ = rest.without(lambda action: action.op in ops)
    return AllowedDecisions(frozenset(action.key for action in rest.decisions), (*stops.values(), *guards))


def violations_by_address(plan: Plan, policy: Policy) -> Iterator[tuple[Address, Diagnostic]]:
    """Yield what a plan would do to something that is protected, each with the address of that."""
    for action in plan.actions:
        yield from (
            (action.address, found) for found in protection_diagnostics(replace(plan, actions=(action,)), policy.config)
        )


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
    return bool(run.submitted_at) and parse_timestamp(run.submitted_at) > at - _DAY
