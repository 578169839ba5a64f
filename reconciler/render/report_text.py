"""Render a report as text for a terminal: what the change brings, then what is pending without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.abbreviation import abbreviate_id, join_some, pluralize
from reconciler.diagnostics import has_errors
from reconciler.model import Json, Op
from reconciler.planning.pending import PendingEdit
from reconciler.planning.report import Report
from reconciler.render.sanitize import sanitize_line
from reconciler.render.sentences import OP_SIGNS
from reconciler.render.text import MAX_SHOWN_ACTIONS, format_plan_body

NEEDLESS = "This change needs no action."


def format_report(report: Report) -> str:
    """Return the plan of a change as text, what is pending on the base apart; diagnostics are left out."""
    return "\n".join(_report_lines(report))


def _report_lines(report: Report) -> Iterator[str]:
    if report.plan is None:
        errors = sum(has_errors([diagnostic]) for diagnostic in report.diagnostics)
        yield f"Nothing was planned: {pluralize(errors, 'error')}." if errors else "Nothing was planned."
    else:
        verdict, *lines = format_plan_body(restrict_body(report.plan.body, report.own_actions)).split("\n")
        is_needless = bool(report.pending_actions and not report.own_actions)
        yield f"{report.heading}{NEEDLESS if is_needless else verdict}"
        sentences = [(Op(action["action"]), action["sentence"]) for action in report.pending_actions]
        yield from (*lines, *pending_lines(abbreviate_id(report.base), sentences))
    if report.notes:
        yield from ("", "About this change:", *(f"  {sanitize_line(note)}" for note in report.notes))


def pending_edit_sentence(edit: PendingEdit) -> str:
    """Return what a change edits of what is pending on the base and not live yet."""
    fields = join_some(list(map(str, edit.changes)))
    return sanitize_line(f"{edit.address} is not live yet; compared with what is pending on the base: {fields}")


def restrict_body(body: Mapping[str, Json], actions: Sequence[Mapping[str, Json]]) -> Json:
    """Return the body of a plan with some of its actions, and the counts of these."""
    ops = [Op(action["action"]) for action in actions]
    counts = {
        "changes": len(ops),
        "decisions": sum(op.is_decision for op in ops),
        "submissions": ops.count(Op.SUBMIT),
        "cancels": ops.count(Op.CANCEL),
    }
    return {**body, "actions": list(actions), "summary": {**body["summary"], **counts}}


def pending_lines(base: str, actions: Sequence[tuple[Op, str]]) -> Iterator[str]:
    """Yield what is pending on a base without the change: operations with their sentences."""
    if actions:
        yield from ("", f"Already pending on {sanitize_line(base)}, with or without this change:")
    for op, sentence in actions[:MAX_SHOWN_ACTIONS]:
        yield f"  {OP_SIGNS[op]} {sanitize_line(sentence)}"
    if len(actions) > MAX_SHOWN_ACTIONS:
        yield f"  and {len(actions) - MAX_SHOWN_ACTIONS} more"
