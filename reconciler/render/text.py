"""What people read: diagnostics with their line, plans as sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.model import Json, Op, Plan
from reconciler.render.code_frame import code_frame_lines, sanitize_line, sanitize_text
from reconciler.render.impact import compute_impact
from reconciler.render.plan_json import plan_summary as summary_of
from reconciler.render.sentences import OP_SIGNS, action_sentence

SourceLineReader = Callable[[str], Sequence[str]]

_MAX_BLOCK_LINES = 8  # lines
MAX_SHOWN_ACTIONS = 300  # actions that are shown


def format_diagnostics(found: Iterable[Diagnostic], lines: SourceLineReader = lambda _path: ()) -> str:
    """Write diagnostics, each with its source line and a caret where ``lines`` has the file."""
    return "\n".join(line for diagnostic in found for line in _diagnostic_lines(diagnostic, lines))


def _diagnostic_lines(each: Diagnostic, lines: SourceLineReader) -> Iterator[str]:
    where = f"{each.span}: " if each.span else ""
    yield sanitize_text(f"{where}{each.severity}: {each.message} [{each.code}]")
    if each.span is not None and not each.code.startswith("secret-"):  # the line would show the secret once more
        yield from code_frame_lines(each.span, lines(each.span.path))
    if each.hint:
        yield sanitize_text(f"  help: {each.hint}")


def format_plan(planned: Plan) -> str:
    """Write a plan: the verdict first, then what is done, what waits and what failed."""
    follows = compute_impact(planned.actions)
    lines = (
        f"{OP_SIGNS[action.op]} {action_sentence(action)}{follows.indirect_cause_clause(action)}"
        for action in planned.actions
    )
    pending = [(blocked.failed, f"{blocked.address}: {blocked.message}") for blocked in planned.blocked]
    return "\n".join(_plan_lines(summary_of(planned), lines, pending, planned.drift, planned.notes))


def format_plan_body(saved: Json) -> str:
    """Write the body of a saved plan just as the plan was written."""
    lines = (f"{OP_SIGNS[Op(each['action'])]} {each['sentence']}" for each in saved["actions"])
    pending = [(each["failed"], f"{each['address']}: {each['message']}") for each in saved["pending"]]
    return "\n".join(_plan_lines(saved["summary"], lines, pending, saved["drift"], saved["notes"]))


def _plan_lines(
    counts: Mapping[str, int],
    lines: Iterable[str],
    pending: Sequence[tuple[bool, str]],
    drift: Sequence[str],
    notes: Sequence[str],
) -> Iterator[str]:
    yield format_verdict(counts)
    if counts["changes"]:
        yield ""
        yield from (f"  {sanitize_line(line)}" for line in islice(lines, MAX_SHOWN_ACTIONS))
        if counts["changes"] > MAX_SHOWN_ACTIONS:
            yield f"  and {counts['changes'] - MAX_SHOWN_ACTIONS} more; --format json has them all"
    yield from _section_lines("Waiting:", [line for failed, line in pending if not failed])
    yield from _section_lines("Failed, and left as it is:", [line for failed, line in pending if failed])
    yield from _section_lines("Drift:", drift)
    yield from _section_lines("Notes:", notes)


def format_verdict(counts: Mapping[str, int]) -> str:
    """Say in a line what a plan comes to; ``counts`` is its summary."""
    left = [(counts["waiting"], "waiting"), (counts["failed"], "failed")]
    drift = [pluralize(counts["drift"], "thing") + " drifted"] if counts["drift"] else []
    left_out = counts.get("left_out", 0)
    also = ", ".join([*(f"{number} {what}" for number, what in left if number), *drift])
    if counts["changes"]:
        runs = (("starts", counts["submissions"]), ("cancels", counts.get("cancels", 0)))
        said = "".join(f", {what} {pluralize(number, 'run')}" for what, number in runs if number)
        return f"Plan: {pluralize(counts['changes'], 'change')}{said}{f'; {also}' if also else ''}."
    if left_out:
        return f"No changes within the selection; {'; '.join([*filter(None, [also]), _format_left_out(left_out)])}."
    if also:
        return f"No changes to make now; {also}."
    return "No changes. The live state is what Git declares."


def _format_left_out(number: int) -> str:
    return f"{number} {'is' if number == 1 else 'are'} left out"


def _section_lines(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {sanitize_line(line)}" for line in lines)


def pluralize(number: int, noun: str) -> str:
    """Write a number with its noun: ``1 change``, ``2 changes``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def format_duration(seconds: float) -> str:
    """Write a span of time as people say it: ``20 seconds``, ``3 hours``."""
    for size, noun in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return pluralize(int(seconds // size), noun)
    return pluralize(int(seconds), "second")


def format_validation_summary(found: Sequence[Diagnostic], files: int) -> str:
    """Say in one line how a validation ended."""
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in found)
    warnings = sum(diagnostic.severity is Severity.WARNING for diagnostic in found)
    if not found:
        return f"{pluralize(files, 'file')}: fine."
    return f"{pluralize(files, 'file')}: {pluralize(errors, 'error')}, {pluralize(warnings, 'warning')}."


def format_outline(value: Json, indent: str = "") -> str:
    """Write nested values as an indented outline."""
    return "\n".join(sanitize_text(line) for line in _outline_lines(value, indent))


def _outline_lines(value: Json, indent: str) -> Iterator[str]:
    pairs = value.items() if isinstance(value, Mapping) else (("-", each) for each in value)
    for key, pair in pairs:
        name = key if key == "-" else f"{key}:"
        if isinstance(pair, Mapping | list | tuple) and pair:
            yield f"{indent}{name}"
            yield from _outline_lines(pair, f"{indent}  ")
        elif isinstance(pair, str) and "\n" in pair:
            yield from _block_lines(name, pair.splitlines(), indent)
        else:
            yield f"{indent}{name} {str(pair).lower() if isinstance(pair, bool) else pair}"


def _block_lines(name: str, lines: Sequence[str], indent: str) -> Iterator[str]:
    """Write a short text whole; of a long one, such as a lock, say how long it is."""
    if len(lines) > _MAX_BLOCK_LINES:
        yield f"{indent}{name} ({pluralize(len(lines), 'line')})"
    else:
        yield f"{indent}{name}"
        yield from (f"{indent}  {line}" for line in lines)
