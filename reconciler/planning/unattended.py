"""Plans without approval: what the controller may decide within the bounds of mlgit.yml.

A person is refused a plan that exceeds a bound and can allow it. The controller cannot ask, so that part of the plan is
left out and the rest is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from reconciler.diagnostics import Diagnostic
from reconciler.model import Action, ActionId, Address, Op, Plan, Run, State
from reconciler.planning.guard import guard_plan
from reconciler.planning.options import PlanOptions
from reconciler.planning.pipeline import AllowedPlan, run_plan_pipeline
from reconciler.planning.plan import PlanInputs
from reconciler.planning.protection import protection_diagnostics

RunLookup = Callable[[Address], Iterable[Run]]

_OPS_STOPPED_BY_GUARD: Mapping[str, frozenset[Op]] = {
    "too-many-runs": frozenset({Op.SUBMIT}),
    "mass-delete": frozenset({Op.ARCHIVE, Op.DELETE}),
}


def plan_unattended(inputs: PlanInputs, runs_of: RunLookup, a_day_ago: str) -> AllowedPlan:
    """Return a plan that changes nothing protected, and of its decisions those that the limits allow.

    ``runs_of`` returns the runs of a job so far. Those submitted after ``a_day_ago`` are counted, a time stamp with
    milliseconds, as runs have.
    """
    plan_options = inputs.plan_options
    plan, diagnostics = run_plan_pipeline(inputs)
    violations = tuple(_violations_by_address(plan, plan_options))
    if violations:
        plan_options = plan_options._replace(exclude=tuple(dict.fromkeys(str(address) for address, _ in violations)))
        plan, diagnostics = run_plan_pipeline(inputs._replace(plan_options=plan_options))
    allowed_keys, reasons = allowed_decisions(plan, inputs.state, plan_options, runs_of, a_day_ago)
    protected = (diagnostic for _, diagnostic in violations)
    return AllowedPlan(plan_options, plan, diagnostics, allowed_keys, (*protected, *reasons))


def allowed_decisions(
    plan: Plan, state: State, plan_options: PlanOptions, runs_of: RunLookup, a_day_ago: str
) -> tuple[frozenset[ActionId], tuple[Diagnostic, ...]]:
    """Return the keys of the decisions that the limits allow, and why they do not allow the others."""
    repeated = {
        action.key: diagnostic
        for action in plan.submissions
        if (diagnostic := _runs_per_day_diagnostic(action, plan, plan_options, runs_of, a_day_ago))
    }
    allowed, _ = plan.without(lambda action: action.key in repeated)
    guards = tuple(guard_plan(allowed, state, plan_options))
    ops = frozenset[Op]().union(*(_OPS_STOPPED_BY_GUARD[diagnostic.code] for diagnostic in guards))
    allowed, _ = allowed.without(lambda action: action.op in ops)
    return frozenset(action.key for action in allowed.decisions), (*repeated.values(), *guards)


def _violations_by_address(plan: Plan, plan_options: PlanOptions) -> Iterator[tuple[Address, Diagnostic]]:
    for action in plan.actions:
        for diagnostic in protection_diagnostics(plan._replace(actions=(action,)), plan_options.config):
            yield action.address, diagnostic


def _runs_per_day_diagnostic(
    action: Action, plan: Plan, plan_options: PlanOptions, runs_of: RunLookup, a_day_ago: str
) -> Diagnostic | None:
    """Return a diagnostic if a job was started too often within a day from the same commit; else None."""
    commit, limit = plan.source.effective_commit, plan_options.config.runs_per_day
    runs = (run for run in runs_of(action.address) if not run.experiment)
    count = sum(run.commit == commit and run.submitted_at > a_day_ago for run in runs)
    if count < limit:
        return None
    times = "once" if count == 1 else f"{count} times"
    message = f"{action.address} was started {times} within a day from this commit; limits: runs_per_day: is {limit}"
    return Diagnostic("runs-per-day", message, hint="push a new commit, or run `mlgit apply` to start it anyway")
