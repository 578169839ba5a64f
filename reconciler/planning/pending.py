"""What of the plan of a change is pending without the change."""

from __future__ import annotations

from reconciler.model import Action, Plan
from reconciler.planning.saved import action_identity


def pending_keys(plan: Plan, base_plan: Plan) -> frozenset[str]:
    """Return the keys of the actions of a plan that the plan of the base has too, with the same result."""
    pending = {action.key: action for action in base_plan.actions}
    return frozenset(
        str(action.key) for action in plan.actions if action.key in pending and _is_same(action, pending[action.key])
    )


def _is_same(action: Action, other: Action) -> bool:
    """Return True if two actions with one key have the same result, fields that no fingerprint covers included."""
    specs = [item.resolved.asset.spec if item.resolved else None for item in (action, other)]
    return action_identity(action) == action_identity(other) and specs[0] == specs[1]
