"""The passes that make the plan which the user sees, as mlgit.yml and the command line ask for it.

Renames come first, because everything is planned under the new names. Selection comes last, because only the whole
plan shows which action needs which. Protection checks what remains.
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.diagnostics import Diagnostic
from reconciler.model import Observation, Plan, State
from reconciler.planning.drift import with_drift
from reconciler.planning.moved import find_renames, plan_with_renames, rename_suggestions, state_with_renames
from reconciler.planning.plan import DesiredState, make_plan
from reconciler.planning.policy import Policy
from reconciler.planning.preconditions import collect_preconditions
from reconciler.planning.protection import protection_diagnostics
from reconciler.planning.selection import select_actions


def run_plan_pipeline(
    desired: DesiredState, state: State, policy: Policy, observation: Observation | None = None
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return what apply would do and why, and the diagnostics of the files compared with the live state.

    The guards (``planning.guard``) are left to the caller.
    """
    renames = find_renames(desired.declared, state, policy.config.moved)
    plan, plan_diagnostics = make_plan(desired, state_with_renames(state, renames), policy, observation)
    plan = plan_with_renames(plan, renames)
    if observation is not None:
        plan = with_drift(plan, state, observation, policy.config, desired.tree.tree_at_commit)
    plan = replace(plan, notes=(*plan.notes, *rename_suggestions(plan)))
    plan, selection_diagnostics = select_actions(plan, desired.declared, policy)
    plan = replace(plan, preconditions=collect_preconditions(plan.actions, state))
    diagnostics = (*renames.diagnostics, *plan_diagnostics, *selection_diagnostics)
    return plan, (*diagnostics, *protection_diagnostics(plan, policy.config))
