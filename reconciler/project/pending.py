"""The plan of the base of a change, to tell what is pending with or without the change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.diagnostics import Diagnostic, UserError, has_errors
from reconciler.model import Plan, State, Tree
from reconciler.planning.guard import LIMIT_CODES
from reconciler.planning.options import PlanOptions
from reconciler.project.plan import make_plan
from reconciler.project.session import Session, ignore_diagnostics
from reconciler.project.state_session import ignore_note


def raise_if_wrong(_tree: Tree, diagnostics: Sequence[Diagnostic]) -> None:
    """Raise UserError if one of the diagnostics is an error, other than that a plan exceeds a limit."""
    if has_errors(item for item in diagnostics if item.code not in LIMIT_CODES):
        raise UserError(*diagnostics)


def plan_base(session: Session, state: State) -> Plan | None:
    """Return the plan of a session at the base commit; None if its files have errors. Nothing is reported."""
    quiet = replace(session, on_note=ignore_note, on_diagnostics=raise_if_wrong, on_refusals=ignore_diagnostics)
    try:
        return make_plan(quiet, state, PlanOptions(session.config), refresh=False)[0]
    except UserError:
        return None
