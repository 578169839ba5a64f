"""The plan: what is declared against what is live, as the ordered actions that bring the one to the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import Declared, kind_of
from reconciler.format.kind import Lifecycle
from reconciler.model import Action, Live, Node, Observation, Pending, Plan, Record, Source, Tree
from reconciler.planning.decision import Decision
from reconciler.planning.graph import ordered
from reconciler.planning.named import decide_named
from reconciler.planning.observed import fold
from reconciler.planning.outlook import View, resolve
from reconciler.planning.policy import Policy
from reconciler.planning.prune import Ancestry, prune
from reconciler.planning.runs import decide_run
from reconciler.planning.versioned import decide_versioned

_DECIDE: Mapping[Lifecycle, Callable[[View, Node, Record | None], Decision]] = {
    Lifecycle.NAMED: decide_named,
    Lifecycle.VERSIONED: decide_versioned,
    Lifecycle.RUNNABLE: decide_run,
}


@dataclass(frozen=True, slots=True)
class Desired:
    """The left side of a plan: a tree, where it is from, and what it declares. ``declared`` must be free of errors."""

    source: Source
    tree: Tree
    declared: Declared
    ancestry: Ancestry


def make_plan(
    desired: Desired, live: Live, policy: Policy, observation: Observation | None = None
) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return what apply would do and why, and what is wrong with the files in the light of the live state."""
    live, advances = fold(live, observation or Observation())
    view = View(desired.tree, desired.declared, live, policy)
    actions: list[Action] = list(advances)
    recorded = {each.address: each.key for each in advances}
    pending: list[Pending] = []
    for asset in ordered(desired.declared.assets):
        node = resolve(view, asset)
        decision = _DECIDE[kind_of(asset).lifecycle](view, node, live.current.get(asset.address))
        decision = _after(decision, recorded.get(asset.address))
        view.outlooks[asset.address] = decision.outlook
        actions += decision.actions
        pending += decision.pending
    leaving, notes = prune(view, desired.ancestry)
    reads = {str(address): record.fingerprint for address, record in sorted(live.current.items())}
    plan = Plan(desired.source, live.commit, (*actions, *leaving), tuple(pending), reads, notes)
    return plan, tuple(view.problems)


def _after(decision: Decision, recorded: str | None) -> Decision:
    """Put the recording of a finished run before everything that follows from it."""
    if recorded is None:
        return decision
    actions = tuple(replace(each, needs=(recorded, *each.needs)) for each in decision.actions)
    outlook = replace(decision.outlook, needs=(recorded, *decision.outlook.needs))
    return replace(decision, outlook=outlook, actions=actions)
