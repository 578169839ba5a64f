"""The plan: the ordered actions that bring the live state to what Git declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.kind import Lifecycle
from reconciler.model import (
    EMPTY_MAPPING,
    Action,
    ActionId,
    Address,
    Asset,
    Blocked,
    Observation,
    Op,
    Plan,
    Record,
    ResolvedAsset,
    SourceRevision,
    State,
    Tree,
)
from reconciler.planning.computes import FindBackend, no_backend
from reconciler.planning.decision import Decision
from reconciler.planning.gate import Gate
from reconciler.planning.graph import topological_order
from reconciler.planning.options import PlanOptions
from reconciler.planning.planners.job import decide_job
from reconciler.planning.planners.singleton import decide_singleton
from reconciler.planning.planners.versioned import decide_versioned
from reconciler.planning.protection import with_protection_change
from reconciler.planning.prune import AncestorCheck, find_removals, plan_removals
from reconciler.planning.referencable import existence_check
from reconciler.planning.refresh import merge_observation, write_again_actions
from reconciler.planning.refusals import refuse_unsupported
from reconciler.planning.resolve import PlanContext, computes_of, resolve_asset
from reconciler.planning.run_places import find_run_places
from reconciler.planning.supersede import cancel_superseded_runs
from reconciler.planning.support import SupportCheck, no_support_check

_DECIDE_BY_LIFECYCLE: Mapping[Lifecycle, Callable[[PlanContext, ResolvedAsset, Record | None], Decision]] = {
    Lifecycle.SINGLETON: decide_singleton,
    Lifecycle.VERSIONED: decide_versioned,
    Lifecycle.RUNNABLE: decide_job,
}


class DesiredState(NamedTuple):
    """The desired side of a plan: a tree, its revision, and what it declares. ``declared`` must be free of errors.

    ``clean`` are assets that are declared besides and need no action, with their levels in the graph: they are not
    looked at (``planning.subset``). ``notes`` are about files that are not planned (``planning.narrow``).
    ``check_support`` asks the providers, ``find_backend`` tells what is known of a backend, ``gate`` asks the policies
    on what runs have made, None without policies.
    """

    source: SourceRevision
    tree: Tree
    declared: AssetSet
    is_ancestor: AncestorCheck
    clean: Mapping[Address, int] = MappingProxyType({})
    notes: tuple[str, ...] = ()
    check_support: SupportCheck = no_support_check
    find_backend: FindBackend = no_backend
    gate: Gate | None = None


class PlanInputs(NamedTuple):
    """All that a plan follows from: the desired and the live state, the options, and what the providers report."""

    desired: DesiredState
    state: State
    plan_options: PlanOptions
    observation: Observation | None = None


def make_plan(inputs: PlanInputs) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return what apply would do and why, and the diagnostics of the files compared with the live state."""
    desired = inputs.desired
    state, advances = merge_observation(inputs.state, inputs.observation or Observation())
    record_keys = {action.version: action.key for action in advances}
    ancestry = cache(desired.is_ancestor)
    context = PlanContext(
        desired.tree,
        desired.declared,
        state,
        inputs.plan_options,
        frozenset(record_keys),
        frozenset(find_removals(desired.declared, state, ancestry)),
        desired.clean,
        observation=inputs.observation,
        check_support=desired.check_support,
        find_backend=desired.find_backend,
    )
    actions: list[Action] = list(advances)
    blocked: list[Blocked] = []
    builds: set[ActionId] = set()  # jobs can share one
    for asset in topological_order(desired.declared.assets, desired.clean, existence_check(state)):
        decision = decide_asset(context, asset, record_keys)
        context.planned_states[asset.address] = decision.planned_state
        actions += (action for action in decision.actions if action.key not in builds)
        builds |= {action.key for action in decision.actions if action.op is Op.BUILD}
        blocked += decision.blocked
    removals, notes = plan_removals(context, ancestry)
    notes = (*context.notes, *notes, *desired.notes)
    plan = Plan(desired.source, state.commit, (*actions, *removals), tuple(blocked), notes=notes)
    return plan, tuple(context.diagnostics)


def decide_asset(context: PlanContext, asset: Asset, record_keys: Mapping[str, ActionId] = EMPTY_MAPPING) -> Decision:
    """Return the decision about one asset, after those about everything it references."""
    resolved = resolve_asset(context, asset)
    record = context.state.current.get(asset.address)
    decide = decide_singleton if _is_recorded_only_job(asset) else _DECIDE_BY_LIFECYCLE[kind_of(asset).lifecycle]
    decision = refuse_unsupported(context, resolved, decide(context, resolved, record))
    decision = _with_run_places(context, decision)
    decision = with_protection_change(context, resolved, record, decision)
    decision = cancel_superseded_runs(context, record, decision)
    if _is_recorded_only_job(asset):
        decision = decision._replace(blocked=(*decision.blocked, _recorded_only(asset)))
    if record is None or record.latest not in record_keys:
        again = write_again_actions(context.state, record, decision.actions)
        decision = decision._replace(actions=(*again, *decision.actions))
    return _after_recording(decision, record, record_keys)


def _with_run_places(context: PlanContext, decision: Decision) -> Decision:
    """Return a decision whose submissions say on which computes they run."""
    if not any(action.op is Op.SUBMIT for action in decision.actions):
        return decision
    computes = computes_of(context)
    actions = (
        action._replace(runs_on=find_run_places(computes, action.resolved))
        if action.op is Op.SUBMIT and action.resolved
        else action
        for action in decision.actions
    )
    return decision._replace(actions=tuple(actions))


def _is_recorded_only_job(asset: Asset) -> bool:
    """Return True for a job of a type that nothing can run: it is recorded under its name, as other kinds are."""
    kind = kind_of(asset)
    return kind.is_runnable and not kind.is_supported(asset.spec)


def _recorded_only(asset: Asset) -> Blocked:
    reason = f"is recorded only: {kind_of(asset).recorded_only_reason(asset.spec)}"
    return Blocked(asset.address, reason, recorded_only=str(asset.spec["type"]))


def _after_recording(decision: Decision, record: Record | None, record_keys: Mapping[str, ActionId]) -> Decision:
    """Let everything that follows from a finished run need the action that records it."""
    planned = decision.planned_state
    run_ids = dict.fromkeys((record.latest if record else "", planned.run.id if planned.run else ""))
    keys = tuple(record_keys[run_id] for run_id in run_ids if run_id in record_keys)
    if not keys:
        return decision
    actions = tuple(action._replace(needs=(*keys, *action.needs)) for action in decision.actions)
    return decision._replace(planned_state=planned._replace(needs=(*keys, *planned.needs)), actions=actions)
