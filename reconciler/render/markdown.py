"""Render a plan as Markdown for a pull request: the summary line, the actions and a table of changed fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reconciler.model import Json, Op, Plan
from reconciler.planning.diff import format_value
from reconciler.render import plan_json, text
from reconciler.render.sanitize import sanitize_line
from reconciler.render.sentences import OP_SIGNS

_SPECIAL_CHARS = re.compile(r"([\\`*_\[\]<#|~@])")
_MAX_SHOWN = 100  # actions: a comment holds 65,536 characters


def plan_to_markdown(plan: Plan, body: Json, *, heading: str = "", folded: bool = False) -> str:
    """Return a plan as Markdown; ``folded`` puts the table of fields in a collapsed ``<details>`` section."""
    return "\n".join(_plan_lines(plan, body, heading, folded=folded))


def _plan_lines(plan: Plan, body: Json, heading: str, *, folded: bool) -> Iterator[str]:
    yield f"### {heading}{text.format_verdict(plan_json.plan_summary(plan))}"
    actions = body["actions"]
    if actions:
        yield ""
        yield from (
            f"- `{OP_SIGNS[Op(action['action'])]}` {_escape_markdown(action['sentence'])}"
            for action in actions[:_MAX_SHOWN]
        )
        yield from [f"- and {len(actions) - _MAX_SHOWN} more"] if len(actions) > _MAX_SHOWN else []
    blocked_lines = [(blocked.failed, f"{blocked.address}: {blocked.message}") for blocked in plan.blocked]
    yield from _section_lines("Waiting", [line for failed, line in blocked_lines if not failed])
    yield from _section_lines("Failed, and left as it is", [line for failed, line in blocked_lines if failed])
    yield from _section_lines("Drift", plan.drift)
    yield from _section_lines("Notes", plan.notes)
    rows = [row for action in actions[:_MAX_SHOWN] for row in _field_change_rows(action)]
    if rows:
        table_header = ["| asset | field | before | after |", "| --- | --- | --- | --- |"]
        yield ""
        yield from ["<details><summary>Fields that differ</summary>", ""] if folded else ["#### Fields that differ", ""]
        yield from [*table_header, *rows]
        yield from ["", "</details>"] if folded else []


def _section_lines(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from ["", f"**{title}**", ""]
        yield from (f"- {_escape_markdown(line)}" for line in lines[:_MAX_SHOWN])
        yield from [f"- and {len(lines) - _MAX_SHOWN} more"] if len(lines) > _MAX_SHOWN else []


def _field_change_rows(action: Json) -> Iterator[str]:
    for change in action.get("changes", ()):
        before, after = (_table_cell(change[side]) if side in change else "" for side in ("before", "after"))
        yield f"| {_escape_markdown(action['address'])} | {_escape_markdown(change['field'])} | {before} | {after} |"


def _table_cell(value: Json) -> str:
    return _escape_markdown(format_value(value))


def _escape_markdown(line: str) -> str:
    """Escape Markdown syntax and ``@`` mentions in a line of text."""
    return _SPECIAL_CHARS.sub(r"\\\1", sanitize_line(line)).replace("\\@", "&#64;")
