"""What is proposed to the user: the plan of everything, as mlgit.yml and the command line want it.

Renames come first, because everything is planned under the new names; what was selected comes last, because only the
whole plan knows what needs what. Protection watches over what is left.
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.diagnostics import Diagnostic
from reconciler.model import Live, Observation, Plan
from reconciler.planning.drift import with_drift
from reconciler.planning.moved import as_if_moved, moves, suggestions, with_moves
from reconciler.planning.plan import Desired, make_plan
from reconciler.planning.policy import Policy
from reconciler.planning.protection import violations
from reconciler.planning.reads import read_set
from reconciler.planning.selection import select


def propose(
    desired: Desired, live: Live, policy: Policy, observation: Observation | None = None
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return what apply would do and why, and what is wrong with the files in the light of the live state.

    Moved, planned, selected, protected: in this order. Guards (``planning.guard``) are asked by who acts.
    """
    found = moves(desired.declared, live, policy.config.moved)
    whole, problems = make_plan(desired, as_if_moved(live, found), policy, observation)
    whole = with_moves(whole, found)
    if observation is not None:
        whole = with_drift(whole, live, observation, policy.config, desired.tree.at)
    whole = replace(whole, notes=(*whole.notes, *suggestions(whole)))
    plan, unknown = select(whole, desired.declared, policy)
    plan = replace(plan, reads=read_set(plan.actions, live))
    return plan, (*found.problems, *problems, *unknown, *violations(plan, policy.config))
