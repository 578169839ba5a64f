"""What is proposed to the user: the plan of everything, as mlgit.yml and the command line want it.

Renames come first, because everything is planned under the new names; what was selected comes last, because only the
whole plan knows what needs what. Protection watches over what is left.
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
    desired: DesiredState, live: State, policy: Policy, observation: Observation | None = None
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return what apply would do and why, and what is wrong with the files in the light of the live state.

    Moved, planned, selected, protected: in this order. Guards (``planning.guard``) are asked by who acts.
    """
    found = find_renames(desired.declared, live, policy.config.moved)
    whole, problems = make_plan(desired, state_with_renames(live, found), policy, observation)
    whole = plan_with_renames(whole, found)
    if observation is not None:
        whole = with_drift(whole, live, observation, policy.config, desired.tree.tree_at_commit)
    whole = replace(whole, notes=(*whole.notes, *rename_suggestions(whole)))
    plan, unknown = select_actions(whole, desired.declared, policy)
    plan = replace(plan, preconditions=collect_preconditions(plan.actions, live))
    return plan, (*found.diagnostics, *problems, *unknown, *protection_diagnostics(plan, policy.config))
