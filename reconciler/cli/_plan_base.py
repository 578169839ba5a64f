"""mlgit plan --base: what is pending on another revision, apart from what the files of this one bring."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.cli.console import echo_line, print_coloured_lines
from reconciler.model import Forecast, Plan, State
from reconciler.planning.pending import pending_edits, pending_keys
from reconciler.project.pending import plan_revision
from reconciler.project.session import Session
from reconciler.render.report_text import NEEDLESS, pending_edit_sentence, pending_lines
from reconciler.render.sentences import action_sentence
from reconciler.render.text import format_plan


def print_apart(session: Session, state: State, plan: Plan, forecasts: Sequence[Forecast], revision: str) -> None:
    """Print a plan, and below it those of its actions that are pending on a revision as well."""
    base_plan = plan_revision(session, state, revision)
    pending = pending_keys(plan, base_plan) if base_plan else frozenset()
    own = plan._replace(actions=tuple(action for action in plan.actions if str(action.key) not in pending))
    verdict, *lines = format_plan(own, forecasts).split("\n")
    verdict = NEEDLESS if pending and not own.actions else verdict
    sentences = [(action.op, action_sentence(action)) for action in plan.actions if str(action.key) in pending]
    lines += pending_lines(revision, sentences)
    if base_plan and (edits := list(pending_edits(plan, base_plan))):
        lines += ["", "About this change:", *(f"  {pending_edit_sentence(edit)}" for edit in edits)]
    print_coloured_lines(session.plan_heading + "\n".join([verdict, *lines]))
    if base_plan is None:
        echo_line(f"The files at {revision} have errors: what is pending there is not known.")
    if fetch_hint := session.fetch_state_hint(state):
        echo_line(fetch_hint)
