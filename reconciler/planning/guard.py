"""Plans that would do too much at once are refused until somebody says that it is meant."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.model import Op, Plan, State
from reconciler.planning.policy import Policy

_MASS_DELETE_RATIO = 0.3
_MASS_DELETE_MIN_ASSETS = 10


def guard_plan(plan: Plan, live: State, policy: Policy) -> Iterator[Diagnostic]:
    """Yield why a plan must not be applied as it is."""
    submissions = len(plan.submissions)
    if submissions > policy.submit_limit:
        runs = "run" if submissions == 1 else "runs"
        message = f"this plan starts {submissions} {runs}; limits: submit: is {policy.submit_limit}"
        yield Diagnostic("too-many-runs", message, hint=f"allow it with --allow-submit {submissions}")
    leaving = sum(action.op in (Op.ARCHIVE, Op.DELETE) for action in plan.actions)
    if policy.allow_mass_delete or leaving <= _MASS_DELETE_RATIO * _MASS_DELETE_MIN_ASSETS:
        return  # whatever there is, and to count it all records must be read
    there = sum(not record.archived for record in live.current.values())
    if there >= _MASS_DELETE_MIN_ASSETS and leaving > _MASS_DELETE_RATIO * there:
        message = f"this plan archives or deletes {leaving} of {there} assets"
        yield Diagnostic("mass-delete", message, hint="allow it with --allow-mass-delete")
