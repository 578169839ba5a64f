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
from reconciler.source.workspace import resolve_commit


def raise_if_wrong(_tree: Tree, diagnostics: Sequence[Diagnostic]) -> None:
    """Raise UserError if one of the diagnostics is an error, other than that a plan exceeds a limit."""
    if has_errors(item for item in diagnostics if item.code not in LIMIT_CODES):
        raise UserError(*diagnostics)


def plan_base(session: Session, state: State) -> Plan | None:
    """Return the plan of a session at the base commit; None if its files have errors. Nothing is reported."""
    try:
        return make_plan(_without_reports(session), state, PlanOptions(session.config), refresh=False)[0]
    except UserError:
        return None


def plan_revision(session: Session, state: State, revision: str) -> Plan | None:
    """Return the plan of another revision by its own mlgit.yml, as `plan_base`.

    Raise UserError ``revision-unknown`` if there is no such revision.
    """
    commit = resolve_commit(session.workspace.repository, revision)
    try:
        return plan_base(_without_reports(session).at_revision(commit), state)
    except UserError:  # of mlgit.yml
        return None


def _without_reports(session: Session) -> Session:
    return replace(session, on_note=ignore_note, on_diagnostics=raise_if_wrong, on_refusals=ignore_diagnostics)
