"""The passes that make the plan which the user sees, as mlgit.yml and the command line ask for it.

Renames come first, because everything is planned under the new names. Selection comes last, because only the whole
plan shows which action needs which. Protection checks what remains.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from reconciler.diagnostics import Diagnostic
from reconciler.format.suggest import did_you_mean
from reconciler.model import ActionId, Observation, Plan, State
from reconciler.planning.drift import with_drift
from reconciler.planning.guard import guard_plan
from reconciler.planning.moved import find_renames, plan_with_renames, rename_suggestions, state_with_renames
from reconciler.planning.plan import DesiredState, make_plan
from reconciler.planning.policy import Policy
from reconciler.planning.preconditions import collect_preconditions
from reconciler.planning.protection import protection_diagnostics
from reconciler.planning.selection import select_actions


@dataclass(frozen=True, slots=True)
class AllowedPlan:
    """A policy, the plan that was made under it, its diagnostics, and what of it may be decided.

    ``allowed_keys`` are the keys of the decisions that may be made, None for all; ``stop_reasons`` say why the others
    may not.
    """

    policy: Policy
    plan: Plan
    diagnostics: tuple[Diagnostic, ...]
    allowed_keys: frozenset[ActionId] | None = None
    stop_reasons: tuple[Diagnostic, ...] = ()


def plan_within_limits(
    desired: DesiredState, state: State, policy: Policy, observation: Observation | None = None
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return a plan and its diagnostics, among them errors if it exceeds the limits of mlgit.yml."""
    plan, diagnostics = run_plan_pipeline(desired, state, policy, observation)
    return plan, (*_unknown_replacements(desired, policy), *diagnostics, *guard_plan(plan, state, policy))


def _unknown_replacements(desired: DesiredState, policy: Policy) -> Iterator[Diagnostic]:
    for address in sorted(policy.replace - desired.declared.assets.keys()):
        hint = did_you_mean(str(address), list(map(str, desired.declared.assets)))
        yield Diagnostic("address-unknown", f"cannot replace {address}: it is not declared", hint=hint)


def run_plan_pipeline(
    desired: DesiredState, state: State, policy: Policy, observation: Observation | None = None
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return what apply would do and why, and the diagnostics of the files compared with the live state.

    Limits are not checked.
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
