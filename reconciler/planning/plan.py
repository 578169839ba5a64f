"""The plan: what is declared against what is live, as the ordered actions that bring the one to the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import Declared, kind_of
from reconciler.format.kind import Lifecycle
from reconciler.model import (
    Action,
    Address,
    Asset,
    Live,
    Node,
    Observation,
    Pending,
    Plan,
    Record,
    Source,
    Tree,
)
from reconciler.planning.decision import Decision
from reconciler.planning.graph import ordered
from reconciler.planning.named import decide_named
from reconciler.planning.observed import fold
from reconciler.planning.outlook import View, resolve, standing
from reconciler.planning.policy import Policy
from reconciler.planning.protection import shielded
from reconciler.planning.prune import Ancestry, leaving, prune
from reconciler.planning.reach import obstacles
from reconciler.planning.runs import decide_run
from reconciler.planning.superseding import superseding
from reconciler.planning.versioned import decide_versioned

_DECIDE: Mapping[Lifecycle, Callable[[View, Node, Record | None], Decision]] = {
    Lifecycle.NAMED: decide_named,
    Lifecycle.VERSIONED: decide_versioned,
    Lifecycle.RUNNABLE: decide_run,
}


@dataclass(frozen=True, slots=True)
class Desired:
    """The left side of a plan: a tree, where it is from, and what it declares. ``declared`` must be free of errors.

    ``settled`` is what is declared besides and has nothing to be done for it, with its level in the graph: it need
    not be looked at (``planning.scope``).
    """

    source: Source
    tree: Tree
    declared: Declared
    ancestry: Ancestry
    settled: Mapping[Address, int] = field(default_factory=dict)


def make_plan(
    desired: Desired, live: Live, policy: Policy, observation: Observation | None = None
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return what apply would do and why, and what is wrong with the files in the light of the live state."""
    live, advances = fold(live, observation or Observation())
    recorded = {each.version: each.key for each in advances}
    ancestry = cache(desired.ancestry)
    gone = frozenset(leaving(desired.declared, live, ancestry))
    view = View(
        desired.tree,
        desired.declared,
        live,
        policy,
        frozenset(recorded),
        gone,
        desired.settled,
        refreshed=observation is not None,
    )
    actions: list[Action] = list(advances)
    pending: list[Pending] = []
    for asset in ordered(desired.declared.assets, desired.settled, standing(live)):
        node = resolve(view, asset)
        record = live.current.get(asset.address)
        decision = shielded(view, node, record, _decide_for(asset)(view, node, record))
        decision = _after(superseding(view, record, decision), record, recorded)
        view.outlooks[asset.address] = decision.outlook
        actions += decision.actions
        pending += decision.pending
    for each in actions:
        view.problems += obstacles(view, each)
    removals, notes = prune(view, ancestry)
    plan = Plan(desired.source, live.commit, (*actions, *removals), tuple(pending), notes=notes)
    return plan, tuple(view.problems)


def _decide_for(asset: Asset) -> Callable[[View, Node, Record | None], Decision]:
    """Choose by the way in which the kind may change; what nothing realises is recorded under its name alone."""
    kind = kind_of(asset)
    recorded_only = kind.runnable and not kind.realises(asset.spec)
    return decide_named if recorded_only else _DECIDE[kind.lifecycle]


def _after(decision: Decision, record: Record | None, recorded: Mapping[str, str]) -> Decision:
    """Put the recording of a finished run before everything that follows from it."""
    newest, chosen = record.latest if record else "", decision.outlook.run.id if decision.outlook.run else ""
    first = tuple(recorded[each] for each in dict.fromkeys((newest, chosen)) if each in recorded)
    if not first:
        return decision
    actions = tuple(replace(each, needs=(*first, *each.needs)) for each in decision.actions)
    outlook = replace(decision.outlook, needs=(*first, *decision.outlook.needs))
    return replace(decision, outlook=outlook, actions=actions)
