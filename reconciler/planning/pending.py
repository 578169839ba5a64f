"""What of the plan of a change is pending without the change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reconciler.model import Action, ActionId, Address, Op, Plan
from reconciler.planning.diff import FieldChange, diff_fields
from reconciler.planning.saved import action_identity


class PendingEdit(NamedTuple):
    """Something that is not live yet and is pending on the base as well, and the fields that the change edits."""

    address: Address
    changes: tuple[FieldChange, ...]


def pending_keys(plan: Plan, base_plan: Plan) -> frozenset[str]:
    """Return the keys of the actions of a plan that the plan of the base has too, with the same result."""
    pending = {action.key: action for action in base_plan.actions}
    return frozenset(
        str(action.key) for action in plan.actions if action.key in pending and _is_same(action, pending[action.key])
    )


def pending_edits(plan: Plan, base_plan: Plan) -> Iterator[PendingEdit]:
    """Yield what a plan makes for the first time and the plan of the base makes otherwise.

    The action itself has no fields that differ, because nothing of it is live.
    """
    pending = {_kind_of_effect(action): action for action in base_plan.actions if action.record is None}
    for action in plan.actions:
        other = pending.get(_kind_of_effect(action)) if action.record is None else None
        if other is not None and (changes := diff_fields(other.after, action.after, {})):
            yield PendingEdit(action.address, changes)


def _kind_of_effect(action: Action) -> ActionId:
    """Return the key of an action, that of a submission for an adoption: both give a job its run."""
    return ActionId(Op.SUBMIT, action.address) if action.op is Op.ADOPT else action.key


def _is_same(action: Action, other: Action) -> bool:
    """Return True if two actions with one key have the same result, fields that no fingerprint covers included."""
    specs = [item.resolved.asset.spec if item.resolved else None for item in (action, other)]
    return action_identity(action) == action_identity(other) and specs[0] == specs[1]
