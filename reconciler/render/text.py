"""Render diagnostics, plans and nested values as text for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from reconciler.abbreviation import pluralize
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.model import Json, Op, Plan
from reconciler.render.code_frame import code_frame_lines, sanitize_line, sanitize_text
from reconciler.render.impact import compute_impact
from reconciler.render.plan_json import plan_summary
from reconciler.render.sentences import OP_SIGNS, action_sentence

SourceLineReader = Callable[[str], Sequence[str]]

_MAX_BLOCK_LINES = 8
MAX_SHOWN_ACTIONS = 300


def format_diagnostics(diagnostics: Iterable[Diagnostic], lines: SourceLineReader = lambda _path: ()) -> str:
    """Return diagnostics as text, with the source line and a caret if ``lines`` returns the lines of the file."""
    return "\n".join(line for diagnostic in diagnostics for line in _diagnostic_lines(diagnostic, lines))


def _diagnostic_lines(diagnostic: Diagnostic, lines: SourceLineReader) -> Iterator[str]:
    prefix = f"{diagnostic.span}: " if diagnostic.span else ""
    yield sanitize_text(f"{prefix}{diagnostic.severity}: {diagnostic.message} [{diagnostic.code}]")
    if diagnostic.span is not None and not diagnostic.code.startswith("secret-"):  # the line contains the secret
        yield from code_frame_lines(diagnostic.span, lines(diagnostic.span.path))
    if diagnostic.hint:
        yield sanitize_text(f"  help: {diagnostic.hint}")


def format_plan(plan: Plan) -> str:
    """Return a plan as text: the summary line, the actions, then what is waiting, failed and drifted, and notes."""
    impact = compute_impact(plan.actions)
    lines = (
        f"{OP_SIGNS[action.op]} {action_sentence(action)}{impact.indirect_cause_clause(action)}"
        for action in plan.actions
    )
    blocked_lines = [(blocked.failed, f"{blocked.address}: {blocked.message}") for blocked in plan.blocked]
    return "\n".join(_plan_lines(plan_summary(plan), lines, blocked_lines, plan.drift, plan.notes))


def format_plan_body(body: Json) -> str:
    """Return the body of a saved plan as the same text that ``format_plan`` returns for the plan."""
    lines = (f"{OP_SIGNS[Op(action['action'])]} {action['sentence']}" for action in body["actions"])
    blocked_lines = [(entry["failed"], f"{entry['address']}: {entry['message']}") for entry in body["pending"]]
    return "\n".join(_plan_lines(body["summary"], lines, blocked_lines, body["drift"], body["notes"]))


def _plan_lines(
    counts: Mapping[str, int],
    lines: Iterable[str],
    blocked_lines: Sequence[tuple[bool, str]],
    drift: Sequence[str],
    notes: Sequence[str],
) -> Iterator[str]:
    yield format_verdict(counts)
    if counts["changes"]:
        yield ""
        yield from (f"  {sanitize_line(line)}" for line in islice(lines, MAX_SHOWN_ACTIONS))
        if counts["changes"] > MAX_SHOWN_ACTIONS:
            yield f"  and {counts['changes'] - MAX_SHOWN_ACTIONS} more; --format json has them all"
    yield from _section_lines("Waiting:", [line for failed, line in blocked_lines if not failed])
    yield from _section_lines("Failed, and left as it is:", [line for failed, line in blocked_lines if failed])
    yield from _section_lines("Drift:", drift)
    yield from _section_lines("Notes:", notes)


def format_verdict(counts: Mapping[str, int]) -> str:
    """Return the summary line of a plan; ``counts`` is the result of ``plan_summary``."""
    blocked_counts = [(counts["waiting"], "waiting"), (counts["failed"], "failed")]
    drift_phrases = [pluralize(counts["drift"], "thing") + " drifted"] if counts["drift"] else []
    deselected = counts.get("left_out", 0)
    remainder = ", ".join([*(f"{number} {label}" for number, label in blocked_counts if number), *drift_phrases])
    if counts["changes"]:
        runs = (("starts", counts["submissions"]), ("cancels", counts.get("cancels", 0)))
        run_phrases = "".join(f", {label} {pluralize(number, 'run')}" for label, number in runs if number)
        return f"Plan: {pluralize(counts['changes'], 'change')}{run_phrases}{f'; {remainder}' if remainder else ''}."
    if deselected:
        return (
            f"No changes within the selection; {'; '.join([*filter(None, [remainder]), _format_left_out(deselected)])}."
        )
    if remainder:
        return f"No changes to make now; {remainder}."
    return "No changes. The live state is what Git declares."


def _format_left_out(number: int) -> str:
    return f"{number} {'is' if number == 1 else 'are'} left out"


def _section_lines(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {sanitize_line(line)}" for line in lines)


def format_validation_summary(diagnostics: Sequence[Diagnostic], files: int) -> str:
    """Return the summary line of a validation."""
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    warnings = sum(diagnostic.severity is Severity.WARNING for diagnostic in diagnostics)
    if not diagnostics:
        return f"{pluralize(files, 'file')}: fine."
    return f"{pluralize(files, 'file')}: {pluralize(errors, 'error')}, {pluralize(warnings, 'warning')}."


def format_outline(value: Json, indent: str = "") -> str:
    """Return nested values as an indented outline."""
    return "\n".join(sanitize_text(line) for line in _outline_lines(value, indent))


def _outline_lines(value: Json, indent: str) -> Iterator[str]:
    pairs = value.items() if isinstance(value, Mapping) else (("-", item) for item in value)
    for key, item in pairs:
        name = key if key == "-" else f"{key}:"
        if isinstance(item, Mapping | list | tuple) and item:
            yield f"{indent}{name}"
            yield from _outline_lines(item, f"{indent}  ")
        elif isinstance(item, str) and "\n" in item:
            yield from _block_lines(name, item.splitlines(), indent)
        else:
            yield f"{indent}{name} {str(item).lower() if isinstance(item, bool) else item}"


def _block_lines(name: str, lines: Sequence[str], indent: str) -> Iterator[str]:
    """Yield the lines of a short text, or only the number of lines of a long one, such as a lock file."""
    if len(lines) > _MAX_BLOCK_LINES:
        yield f"{indent}{name} ({pluralize(len(lines), 'line')})"
    else:
        yield f"{indent}{name}"
        yield from (f"{indent}  {line}" for line in lines)
