"""Render a plan as Markdown for a pull request: the summary line, the actions and a table of changed fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from reconciler.abbreviation import join_some, pluralize
from reconciler.diagnostics import Diagnostic
from reconciler.model import Json, Op, Plan, ReuseForecast
from reconciler.planning.diff import format_value
from reconciler.render import plan_json, text
from reconciler.render.sanitize import sanitize_line
from reconciler.render.sentences import OP_SIGNS
from reconciler.render.step_forecasts import forecast_rows

_SPECIAL_CHARS = re.compile(r"([\\`*_\[\]<#|~@])")
_MAX_SHOWN = 100  # actions: a comment holds 65,536 characters


def plan_to_markdown(
    plan: Plan, body: Json, forecasts: Iterable[ReuseForecast] = (), *, heading: str = "", folded: bool = False
) -> str:
    """Return a plan as Markdown; ``folded`` puts the table of fields in a collapsed ``<details>`` section."""
    return "\n".join(_plan_lines(plan, body, forecasts, heading, folded=folded))


def errors_to_markdown(errors: Sequence[Diagnostic]) -> str:
    """Return as Markdown that nothing was planned, and why."""
    lines = [f"### Nothing was planned: {pluralize(len(errors), 'error')}", ""]
    lines += (f"- {_escape_markdown(_error_line(error))}" for error in errors[:_MAX_SHOWN])
    lines += [f"- and {len(errors) - _MAX_SHOWN} more"] if len(errors) > _MAX_SHOWN else []
    return "\n".join(lines)


def policies_to_markdown(diagnostics: Sequence[Diagnostic]) -> str:
    """Return what the policies say of a plan as a section of Markdown, "" if nothing."""
    return "\n".join(_section_lines("Policies", [f"{item.severity}: {_error_line(item)}" for item in diagnostics]))


def _error_line(error: Diagnostic) -> str:
    place = f"{error.span}: " if error.span else ""
    places = f", also at {join_some(list(map(str, error.places)))}" if error.places else ""
    hint = f"; {error.hint.splitlines()[0]}" if error.hint else ""
    return f"{place}{error.message}{hint} [{error.code}]{places}"


def _plan_lines(
    plan: Plan, body: Json, forecasts: Iterable[ReuseForecast], heading: str, *, folded: bool
) -> Iterator[str]:
    yield f"### {heading}{text.format_verdict(plan_json.plan_summary(plan))}"
    actions = body["actions"]
    if actions:
        yield ""
        by_job = {forecast.job: forecast for forecast in forecasts}
        for action, planned in zip(actions[:_MAX_SHOWN], plan.actions, strict=False):
            yield f"- `{OP_SIGNS[Op(action['action'])]}` {_escape_markdown(action['sentence'])}"
            steps = forecast_rows(action.get("steps", ()))
            yield from (f"  - {_escape_markdown(f'{name}: {what}')}" for name, what in steps)
            yield from (f"  - {_escape_markdown(line.strip())}" for line in text.action_reuse_lines(planned, by_job))
        yield from [f"- and {len(actions) - _MAX_SHOWN} more"] if len(actions) > _MAX_SHOWN else []
    for title, entries in (*text.pending_sections(body["pending"]), ("Drift", plan.drift), ("Notes", plan.notes)):
        yield from _section_lines(title, entries)
    yield from (["", _escape_markdown(manual)] if (manual := text.format_manual_jobs(body["pending"])) else [])
    if cannot_run := text.cannot_run_lines(body["pending"]):
        summary, *jobs = map(_escape_markdown, cannot_run)
        yield from ("", summary, *(["", *(f"- {job.strip()}" for job in jobs)] if jobs else []))
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
