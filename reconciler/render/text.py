"""What people read: diagnostics with their line, plans as sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.model import Json, Op, Plan
from reconciler.render.as_json import summary as summary_of
from reconciler.render.excerpt import excerpt, inline, visible
from reconciler.render.impact import impact
from reconciler.render.phrases import SIGNS, sentence

Lines = Callable[[str], Sequence[str]]

_SHORT = 8  # lines
MOST = 300  # actions that are shown


def diagnostics(found: Iterable[Diagnostic], lines: Lines = lambda _path: ()) -> str:
    """Write diagnostics, each with its source line and a caret where ``lines`` has the file."""
    return "\n".join(line for each in found for line in _diagnostic(each, lines))


def _diagnostic(each: Diagnostic, lines: Lines) -> Iterator[str]:
    where = f"{each.span}: " if each.span else ""
    yield visible(f"{where}{each.severity}: {each.message} [{each.code}]")
    if each.span is not None and not each.code.startswith("secret-"):  # the line would show the secret once more
        yield from excerpt(each.span, lines(each.span.path))
    if each.hint:
        yield visible(f"  help: {each.hint}")


def plan(planned: Plan) -> str:
    """Write a plan: the verdict first, then what is done, what waits and what failed."""
    follows = impact(planned.actions)
    lines = (f"{SIGNS[each.op]} {sentence(each)}{follows.indirectly(each)}" for each in planned.actions)
    pending = [(each.failed, f"{each.address}: {each.message}") for each in planned.pending]
    return "\n".join(_plan(summary_of(planned), lines, pending, planned.drift, planned.notes))


def body(saved: Json) -> str:
    """Write the body of a saved plan just as the plan was written."""
    lines = (f"{SIGNS[Op(each['action'])]} {each['sentence']}" for each in saved["actions"])
    pending = [(each["failed"], f"{each['address']}: {each['message']}") for each in saved["pending"]]
    return "\n".join(_plan(saved["summary"], lines, pending, saved["drift"], saved["notes"]))


def _plan(
    counts: Mapping[str, int],
    lines: Iterable[str],
    pending: Sequence[tuple[bool, str]],
    drift: Sequence[str],
    notes: Sequence[str],
) -> Iterator[str]:
    yield verdict(counts)
    if counts["changes"]:
        yield ""
        yield from (f"  {inline(line)}" for line in islice(lines, MOST))
        if counts["changes"] > MOST:
            yield f"  and {counts['changes'] - MOST} more; --format json has them all"
    yield from _listed("Waiting:", [line for failed, line in pending if not failed])
    yield from _listed("Failed, and left as it is:", [line for failed, line in pending if failed])
    yield from _listed("Drift:", drift)
    yield from _listed("Notes:", notes)


def verdict(counts: Mapping[str, int]) -> str:
    """Say in a line what a plan comes to; ``counts`` is its summary."""
    left = [(counts["waiting"], "waiting"), (counts["failed"], "failed")]
    drift = [counted(counts["drift"], "thing") + " drifted"] if counts["drift"] else []
    left_out = counts.get("left_out", 0)
    also = ", ".join([*(f"{number} {what}" for number, what in left if number), *drift])
    if counts["changes"]:
        runs = (("starts", counts["submissions"]), ("cancels", counts.get("cancels", 0)))
        said = "".join(f", {what} {counted(number, 'run')}" for what, number in runs if number)
        return f"Plan: {counted(counts['changes'], 'change')}{said}{f'; {also}' if also else ''}."
    if left_out:
        return f"No changes within the selection; {'; '.join([*filter(None, [also]), _left_out(left_out)])}."
    if also:
        return f"No changes to make now; {also}."
    return "No changes. The live state is what Git declares."


def _left_out(number: int) -> str:
    return f"{number} {'is' if number == 1 else 'are'} left out"


def _listed(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {inline(line)}" for line in lines)


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: ``1 change``, ``2 changes``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def some(names: Sequence[str], most: int = 3) -> str:
    """Name a few of many: ``a, b, c and 4 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def ago(seconds: float) -> str:
    """Write a span of time as people say it: ``20 seconds``, ``3 hours``."""
    for size, noun in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return counted(int(seconds // size), noun)
    return counted(int(seconds), "second")


def summary(found: Sequence[Diagnostic], files: int) -> str:
    """Say in one line how a validation ended."""
    errors = sum(each.severity is Severity.ERROR for each in found)
    warnings = sum(each.severity is Severity.WARNING for each in found)
    if not found:
        return f"{counted(files, 'file')}: fine."
    return f"{counted(files, 'file')}: {counted(errors, 'error')}, {counted(warnings, 'warning')}."


def outline(value: Json, indent: str = "") -> str:
    """Write nested values as an indented outline."""
    return "\n".join(visible(line) for line in _outline(value, indent))


def _outline(value: Json, indent: str) -> Iterator[str]:
    pairs = value.items() if isinstance(value, Mapping) else (("-", each) for each in value)
    for key, each in pairs:
        name = key if key == "-" else f"{key}:"
        if isinstance(each, Mapping | list | tuple) and each:
            yield f"{indent}{name}"
            yield from _outline(each, f"{indent}  ")
        elif isinstance(each, str) and "\n" in each:
            yield from _block(name, each.splitlines(), indent)
        else:
            yield f"{indent}{name} {str(each).lower() if isinstance(each, bool) else each}"


def _block(name: str, lines: Sequence[str], indent: str) -> Iterator[str]:
    """Write a short text whole; of a long one, such as a lock, say how long it is."""
    if len(lines) > _SHORT:
        yield f"{indent}{name} ({counted(len(lines), 'line')})"
    else:
        yield f"{indent}{name}"
        yield from (f"{indent}  {line}" for line in lines)
