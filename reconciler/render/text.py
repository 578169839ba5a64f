"""What people read: diagnostics with their line, plans as sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.model import Json, Pending, Plan
from reconciler.render.excerpt import excerpt, inline, visible
from reconciler.render.phrases import SIGNS, sentence

Lines = Callable[[str], Sequence[str]]

_SHORT = 8  # lines


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
    return "\n".join(_plan(planned))


def _plan(planned: Plan) -> Iterator[str]:
    yield _verdict(planned)
    if planned.actions:
        yield ""
        yield from (f"  {SIGNS[each.op]} {sentence(each)}" for each in planned.actions)
    yield from _pending("Waiting:", [each for each in planned.pending if not each.failed])
    yield from _pending("Failed, and left as it is:", [each for each in planned.pending if each.failed])
    yield from _listed("Notes:", planned.notes)


def _verdict(planned: Plan) -> str:
    if not planned.actions:
        return "No changes. The live state is what Git declares." if not planned.pending else "No changes to make now."
    runs = len(planned.submissions)
    starts = f", starts {counted(runs, 'run')}" if runs else ""
    return f"Plan: {counted(len(planned.actions), 'change')}{starts}."


def _pending(title: str, pending: Sequence[Pending]) -> Iterator[str]:
    yield from _listed(title, [f"{each.address}: {each.message}" for each in pending])


def _listed(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {inline(line)}" for line in lines)


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: ``1 change``, ``2 changes``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


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
