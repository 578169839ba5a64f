"""What a report calls pending on its base is shown apart, to people who look at the change: it has to be true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.git.repository import Repository
from reconciler.model import Plan, State
from reconciler.planning.pending import pending_keys
from reconciler.planning.report import Report
from reconciler.project.pending import plan_revision
from reconciler.project.session import Session


def drop_false_pending(session: Session, state: State, plan: Plan, reports: Sequence[Report]) -> tuple[Report, ...]:
    """Return reports without the decisions of a plan that they call pending on their base, and that are not."""
    decisions = frozenset(str(action.key) for action in plan.decisions)
    return tuple(_drop_from_report(session, state, plan, report, decisions & report.pending) for report in reports)


def _drop_from_report(session: Session, state: State, plan: Plan, report: Report, claimed: frozenset[str]) -> Report:
    commit = _commit_without_change(session, state, report.base) if claimed else ""
    base_plan = plan_revision(session, state, commit) if commit else None
    false = claimed - (pending_keys(plan, base_plan) if base_plan else frozenset())
    if not false or report.plan is None:
        return report
    body = report.plan.body
    actions = [action for action in body["actions"] if action["key"] not in false]
    return replace(report, plan=replace(report.plan, body={**body, "actions": actions}))


def _commit_without_change(session: Session, state: State, base: str) -> str:
    """Return the commit whose plan tells what is pending without a change: its base, or what was applied since.

    "" if the base is no earlier state of the branch that is applied: the author of a change chooses other commits.
    """
    repository, head = session.workspace.repository, session.source.commit
    if not _is_on_first_parents(repository, base, head):
        return ""
    applied = state.applied_commit
    is_later = applied and _is_on_first_parents(repository, applied, head) and repository.is_ancestor(base, applied)
    return applied if is_later else base


def _is_on_first_parents(repository: Repository, commit: str, head: str) -> bool:
    """Return True if a commit is reached from another one by first parents, as what a branch was before its merges."""
    if commit == head:
        return True
    if not commit or not repository.is_ancestor(commit, head):
        return False
    since = repository.git("rev-list", "--first-parent", head, f"^{commit}").split()
    return bool(since) and repository.resolve(f"{since[-1]}^1") == commit
