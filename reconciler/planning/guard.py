"""Guards: a plan that starts too many runs or removes too much is refused until the user allows it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.model import Plan, State
from reconciler.planning.options import PlanOptions

# What says that a plan must not be applied as it is, and nothing against the plan itself.
LIMIT_CODES = frozenset({"too-many-runs", "mass-delete", "protected"})

_MASS_DELETE_RATIO = 0.3
_MASS_DELETE_MIN_ASSETS = 10


def guard_plan(plan: Plan, state: State, plan_options: PlanOptions) -> Iterator[Diagnostic]:
    """Yield why a plan must not be applied as it is; ``--destroy`` asks for the removals itself."""
    submissions = len(plan.submissions)
    if submissions > plan_options.submit_limit:
        runs = "run" if submissions == 1 else "runs"
        message = f"this plan starts {submissions} {runs}; limits: submit: is {plan_options.submit_limit}"
        yield Diagnostic("too-many-runs", message, hint=f"allow it with --allow-submit {submissions}")
    removals = len(plan.removals)
    if (
        plan_options.destroy
        or plan_options.allow_mass_delete
        or removals <= _MASS_DELETE_RATIO * _MASS_DELETE_MIN_ASSETS
    ):
        return  # too few for any state: counting the assets reads all records
    assets = sum(not record.archived for record in state.current.values())
    if assets >= _MASS_DELETE_MIN_ASSETS and removals > _MASS_DELETE_RATIO * assets:
        message = f"this plan archives or deletes {removals} of {assets} assets"
        yield Diagnostic("mass-delete", message, hint="allow it with --allow-mass-delete")
