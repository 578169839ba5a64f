"""Policies on what a run has made: a version that does not satisfy them is not registered.

A gate is asked once the run is recorded, in every plan and again before each registration of an apply.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reconciler.abbreviation import join_some
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.model import Action, ActionId, Blocked, Op, Plan, State


class Gate(Protocol):
    """What decides whether a version that a run has made may be registered."""

    def is_about(self, action: Action) -> bool:
        """Return True if the version has to satisfy a policy."""
        ...

    def check(self, action: Action, state: State) -> Sequence[Diagnostic]:
        """Return what the policies say of a version whose run is recorded."""
        ...


def with_gate(plan: Plan, state: State, gate: Gate | None) -> Plan:
    """Return the plan without the registrations that the gate refuses, and without what needs them.

    A registration whose run is recorded by the same plan is known after that: the gate reads the metrics of the record.
    """
    if gate is None:
        return plan
    gated = [action for action in plan.actions if _is_registration(action) and gate.is_about(action)]
    later = {action.key: action for action in gated if any(key.op is Op.RECORD for key in action.needs)}
    refused = {action.key: _errors(gate.check(action, state)) for action in gated if action.key not in later}
    actions = tuple(_after_record(action) if action.key in later else action for action in plan.actions)
    return _without_refused(plan._replace(actions=actions), {key: errors for key, errors in refused.items() if errors})


def _is_registration(action: Action) -> bool:
    return action.op is Op.REGISTER and action.known_after is None


def _errors(diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR)


def _after_record(action: Action) -> Action:
    return action._replace(known_after=next(key.address for key in action.needs if key.op is Op.RECORD))


def _without_refused(plan: Plan, refused: dict[ActionId, tuple[Diagnostic, ...]]) -> Plan:
    if not refused:
        return plan
    remaining, excluded = plan.without(lambda action: action.key in refused)
    blocked = {item.address: item for item in plan.blocked}
    for action, cause in excluded:
        if cause is None:
            errors = refused[action.key]
            message = join_some([error.message.replace(f"{action.address}: ", "", 1) for error in errors])
            blocked[action.address] = Blocked(action.address, message, failed=True, refusals=errors)
        else:
            blocked.setdefault(action.address, Blocked(action.address, f"waits for {cause.address}"))
    return remaining._replace(blocked=tuple(blocked.values()))
