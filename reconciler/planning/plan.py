"""The plan: what is declared against what is live, as the ordered actions that bring the one to the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.kind import Lifecycle
from reconciler.model import (
    Action,
    ActionId,
    Address,
    Asset,
    Blocked,
    Observation,
    Plan,
    Record,
    ResolvedAsset,
    SourceRevision,
    State,
    Tree,
)
from reconciler.planning.decision import Decision
from reconciler.planning.graph import topological_order
from reconciler.planning.planners.job import decide_job
from reconciler.planning.planners.singleton import decide_singleton
from reconciler.planning.planners.versioned import decide_versioned
from reconciler.planning.policy import Policy
from reconciler.planning.preflight import preflight_diagnostics
from reconciler.planning.protection import with_protection_change
from reconciler.planning.prune import AncestorCheck, find_removals, plan_removals
from reconciler.planning.refresh import merge_observation
from reconciler.planning.resolve import PlanContext, existence_check, resolve_asset
from reconciler.planning.supersede import cancel_superseded_runs

_DECIDE_BY_LIFECYCLE: Mapping[Lifecycle, Callable[[PlanContext, ResolvedAsset, Record | None], Decision]] = {
    Lifecycle.SINGLETON: decide_singleton,
    Lifecycle.VERSIONED: decide_versioned,
    Lifecycle.RUNNABLE: decide_job,
}


@dataclass(frozen=True, slots=True)
class DesiredState:
    """The left side of a plan: a tree, where it is from, and what it declares. ``declared`` must be free of errors.

    ``settled`` is what is declared besides and has nothing to be done for it, with its level in the graph: it need
    not be looked at (``planning.subset``).
    """

    source: SourceRevision
    tree: Tree
    declared: AssetSet
    is_ancestor: AncestorCheck
    clean: Mapping[Address, int] = field(default_factory=dict)


def make_plan(
    desired: DesiredState, live: State, policy: Policy, observation: Observation | None = None
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return what apply would do and why, and what is wrong with the files in the light of the live state."""
    live, advances = merge_observation(live, observation or Observation())
    recorded = {action.version: action.key for action in advances}
    ancestry = cache(desired.is_ancestor)
    gone = frozenset(find_removals(desired.declared, live, ancestry))
    view = PlanContext(
        desired.tree,
        desired.declared,
        live,
        policy,
        frozenset(recorded),
        gone,
        desired.clean,
        refreshed=observation is not None,
    )
    actions: list[Action] = list(advances)
    pending: list[Blocked] = []
    for asset in topological_order(desired.declared.assets, desired.clean, existence_check(live)):
        node = resolve_asset(view, asset)
        record = live.current.get(asset.address)
        decision = with_protection_change(view, node, record, _decide_function_of(asset)(view, node, record))
        decision = _after_recording(cancel_superseded_runs(view, record, decision), record, recorded)
        view.planned_states[asset.address] = decision.planned_state
        actions += decision.actions
        pending += decision.blocked
    for action in actions:
        view.diagnostics += preflight_diagnostics(view, action)
    removals, notes = plan_removals(view, ancestry)
    plan = Plan(desired.source, live.commit, (*actions, *removals), tuple(pending), notes=notes)
    return plan, tuple(view.diagnostics)


def _decide_function_of(asset: Asset) -> Callable[[PlanContext, ResolvedAsset, Record | None], Decision]:
    """Choose by the way in which the kind may change; what nothing realises is recorded under its name alone."""
    kind = kind_of(asset)
    recorded_only = kind.is_runnable and not kind.is_supported(asset.spec)
    return decide_singleton if recorded_only else _DECIDE_BY_LIFECYCLE[kind.lifecycle]


def _after_recording(decision: Decision, record: Record | None, recorded: Mapping[str, ActionId]) -> Decision:
    """Put the recording of a finished run before everything that follows from it."""
    newest, chosen = (
        record.latest if record else "",
        decision.planned_state.run.id if decision.planned_state.run else "",
    )
    first = tuple(recorded[fromkey] for fromkey in dict.fromkeys((newest, chosen)) if fromkey in recorded)
    if not first:
        return decision
    actions = tuple(replace(action, needs=(*first, *action.needs)) for action in decision.actions)
    outlook = replace(decision.planned_state, needs=(*first, *decision.planned_state.needs))
    return replace(decision, planned_state=outlook, actions=actions)
