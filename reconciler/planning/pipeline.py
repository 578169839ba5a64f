"""The passes that make the plan which the user sees, as mlgit.yml and the command line ask for it.

Renames come first, because everything is planned under the new names. Selection comes last, because only the whole
plan shows which action needs which. Protection checks what remains.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet
from reconciler.format.severity import OFF
from reconciler.format.suggest import did_you_mean
from reconciler.model import ActionId, Asset, Op, Plan, StepGraph
from reconciler.planning.clusters import lost_run_notes
from reconciler.planning.destroy import make_destroy_plan
from reconciler.planning.drift import with_drift
from reconciler.planning.environments import recipe_note
from reconciler.planning.gate import with_gate
from reconciler.planning.guard import guard_plan
from reconciler.planning.moved import find_renames, plan_with_renames, rename_suggestions, state_with_renames
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import DesiredState, PlanInputs, make_plan
from reconciler.planning.preconditions import collect_preconditions
from reconciler.planning.protection import protection_diagnostics
from reconciler.planning.selection import select_actions
from reconciler.planning.source_notes import source_notes
from reconciler.planning.subjects import Subject, lower_declared, subjects_of
from reconciler.planning.support import IGNORED, support_notes

_CONTENT_STAYS_NOTE = (
    "no content of the store, no data of a datastore and no history is removed; `mlgit apply` creates everything again"
)


class AllowedPlan(NamedTuple):
    """Plan options, the plan that was made under it, its diagnostics, and what of it may be decided.

    ``allowed_keys`` are the keys of the decisions that may be made, None for all; ``stop_reasons`` say why the others
    may not. ``policy_errors`` are the policies that the plan does not satisfy.
    """

    plan_options: PlanOptions
    plan: Plan
    diagnostics: tuple[Diagnostic, ...]
    allowed_keys: frozenset[ActionId] | None = None
    stop_reasons: tuple[Diagnostic, ...] = ()
    policy_errors: tuple[Diagnostic, ...] = ()

    @property
    def allowed_plan(self) -> Plan:
        """The plan without the decisions that may not be made."""
        keys = self.allowed_keys
        if keys is None:
            return self.plan
        allowed = (action for action in self.plan.actions if not action.op.is_decision or action.key in keys)
        return self.plan._replace(actions=tuple(allowed))


def plan_within_limits(inputs: PlanInputs) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return a plan and its diagnostics, among them errors if it exceeds the limits of mlgit.yml."""
    plan, diagnostics = run_plan_pipeline(inputs)
    return plan, (*diagnostics, *guard_plan(plan, inputs.state, inputs.plan_options))


def run_plan_pipeline(inputs: PlanInputs) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return what apply would do and why, and the diagnostics of the files compared with the live state.

    Limits are not checked.
    """
    if inputs.plan_options.destroy:
        return _run_destroy_pipeline(inputs)
    desired, state, plan_options = inputs.desired, inputs.state, inputs.plan_options
    renames = find_renames(desired.declared, state, plan_options.config.moved)
    plan, plan_diagnostics = make_plan(inputs._replace(state=state_with_renames(state, renames)))
    plan = plan_with_renames(plan, renames)
    if inputs.observation is not None:
        plan = with_drift(plan, state, inputs.observation, plan_options.config, desired.tree.tree_at_commit)
    plan = plan._replace(notes=(*plan.notes, *rename_suggestions(plan)))
    plan, selection_diagnostics = select_actions(plan, desired.declared, plan_options)
    plan = with_gate(plan, state, desired.gate)
    sources = source_notes(desired.tree, desired.declared, plan.actions, plan_options.config, state)
    plan = plan._replace(
        preconditions=collect_preconditions(plan.actions, state),
        notes=(
            *plan.notes,
            *lost_run_notes(plan.actions, state),
            *_notes_on_ignored_fields(desired, plan_options, plan),
            *sources,
        ),
    )
    replaced = _unknown_replacements(desired, plan_options)
    diagnostics = (*renames.diagnostics, *plan_diagnostics, *replaced, *selection_diagnostics)
    return plan, (*diagnostics, *protection_diagnostics(plan, plan_options.config))


def _notes_on_ignored_fields(desired: DesiredState, plan_options: PlanOptions, plan: Plan) -> Iterator[str]:
    """Yield what the providers do not use of the assets that a plan makes or changes, or refuses to."""
    if plan_options.config.rules.get(IGNORED) != OFF:
        changed = [action.address for action in plan.actions if action.resolved]
        refused = [blocked.address for blocked in plan.blocked if blocked.refusals]
        declared = desired.declared
        graphs = {action.address: action.resolved.graph for action in plan.actions if action.resolved}
        assets = [declared.assets[item] for item in dict.fromkeys((*changed, *refused)) if item in declared.assets]
        subjects = (item for asset in assets for item in _subjects(declared, asset, graphs.get(asset.address)))
        yield from support_notes(declared, subjects, desired.check_support, plan_options.config)
    built = (action.resolved.asset for action in plan.actions if action.op is Op.BUILD and action.resolved)
    yield from filter(None, map(recipe_note, built))


def _subjects(declared: AssetSet, asset: Asset, graph: StepGraph | None) -> Iterator[Subject]:
    """Yield an asset with its steps; those of a job that is refused as far as files tell."""
    return subjects_of(asset, graph or lower_declared(declared, asset).graph)


def _run_destroy_pipeline(inputs: PlanInputs) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return the plan that removes what is live, or what is selected of it, and its diagnostics."""
    plan_options = inputs.plan_options
    plan, diagnostics = select_actions(make_destroy_plan(inputs), inputs.desired.declared, plan_options)
    notes = (
        *plan.notes,
        *lost_run_notes(plan.actions, inputs.state),
        *([_CONTENT_STAYS_NOTE] if plan.removals else []),
    )
    plan = plan._replace(notes=notes, preconditions=collect_preconditions(plan.actions, inputs.state))
    return plan, (*diagnostics, *protection_diagnostics(plan, plan_options.config))


def _unknown_replacements(desired: DesiredState, plan_options: PlanOptions) -> Iterator[Diagnostic]:
    for address in sorted(plan_options.replace - desired.declared.assets.keys()):
        hint = did_you_mean(str(address), list(map(str, desired.declared.assets)))
        yield Diagnostic("address-unknown", f"cannot replace {address}: it is not declared", hint=hint)
