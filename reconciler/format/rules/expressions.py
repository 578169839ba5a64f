"""Expressions in texts: ``${{inputs.x}}`` and the optional ``$[[ --x ${{inputs.x}} ]]``, as values with positions.

Reference, section 3. In a command they mean inputs and outputs of what the command is part of; in a node of a
pipeline, ``${{parent...}}`` means the pipeline, which is for ``bindings``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.pointers import join_pointer
from reconciler.format.rule_context import RuleContext
from reconciler.format.rules.spec_nodes import Pointer

_OPEN, _CLOSE = "${{", "}}"


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression: where its text stands, the text, the names between its dots and where in the text it begins."""

    pointer: Pointer
    text: str
    path: tuple[str, ...]
    start: int = 0
    optional: bool = False

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class MalformedExpression:
    """What begins like an expression and is none, with the reason. ``severity`` is what it is worth."""

    pointer: Pointer
    text: str
    reason: str
    start: int = 0
    severity: Severity = Severity.WARNING


def parse_expressions(text: str, pointer: Pointer = ()) -> tuple[Expression | MalformedExpression, ...]:
    """Return the expressions in a text, and what looks like one. Takes time in proportion to the text."""
    return _parse_cached(text, pointer) if _OPEN in text or "$[[" in text else ()


@lru_cache(maxsize=1024)  # several rules ask for the same text, one after the other
def _parse_cached(text: str, pointer: Pointer) -> tuple[Expression | MalformedExpression, ...]:
    return tuple(_scan_expressions(text, pointer))


def _scan_expressions(text: str, pointer: Pointer) -> Iterator[Expression | MalformedExpression]:
    optional = _optional_ranges(text) if "$[[" in text else ()
    starts = [start for start, _ in optional]
    at, end = text.find(_OPEN), 0
    while at >= 0:
        again = text.find(_OPEN, at + len(_OPEN))
        if 0 <= end < at + len(_OPEN):
            end = text.find(_CLOSE, at)
        if end < 0 or 0 <= again < end:
            word = text[at : again if again >= 0 else None].split(maxsplit=1)[0]
            yield MalformedExpression(pointer, word, "it is not closed by }}", at)
        else:
            part = bisect_right(starts, at) - 1
            yield _parse_expression(
                text[at : end + len(_CLOSE)], pointer, at, optional=part >= 0 and at < optional[part][1]
            )
        at = again
    if optional and optional[-1][1] == len(text) and not text.endswith("]]"):
        yield MalformedExpression(pointer, "$[[", "it is not closed by ]]", optional[-1][0])


def _parse_expression(whole: str, pointer: Pointer, at: int, *, optional: bool) -> Expression | MalformedExpression:
    """Read what stands between ${{ and }}, these included."""
    inside = whole[len(_OPEN) : -len(_CLOSE)].strip()
    names = tuple(inside.split("."))
    if not all(names):
        return MalformedExpression(pointer, whole, "a name is missing in it", at, Severity.ERROR)
    if len(inside.split(maxsplit=1)) > 1:
        return MalformedExpression(pointer, whole, "there are spaces in it", at)
    return Expression(pointer, whole, names, at, optional)


def _optional_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """Return where the optional parts of a text begin and end, in order."""
    found: list[tuple[int, int]] = []
    start = text.find("$[[")
    while start >= 0:
        end = text.find("]]", start)
        end = len(text) if end < 0 else end + 2
        found.append((start, end))
        start = text.find("$[[", end)
    return tuple(found)


def parse_binding(value: object, pointer: Pointer = ()) -> Expression | None:
    """Return the expression that a value is as a whole; None where it is anything else."""
    if not isinstance(value, str) or not value.lstrip().startswith(_OPEN):
        return None
    found = parse_expressions(value.strip(), pointer)
    first = found[0] if len(found) == 1 else None
    return first if isinstance(first, Expression) and first.text == value.strip() else None


def expression_span(subject: RuleContext, found: Expression | MalformedExpression) -> Span:
    """Return where an expression stands: inside its text where that can be found again in the file."""
    span = subject.document.value_span(join_pointer(*found.pointer))
    start = subject.document.offset_of(span)
    at = subject.document.text.find(found.text, start, start + found.start * 2 + len(found.text) + 200)
    return subject.document.span_at(at) if at >= 0 and found.text else span


def malformed_expression_diagnostic(subject: RuleContext, found: MalformedExpression) -> Diagnostic:
    """Say that something looks like an expression.

    azure-ai-ml passes it on as it is, so it may be meant; only empty names in the command of a component it refuses.
    """
    message = f"{found.text} looks like an expression, but {found.reason}"
    hint = "an expression is ${{inputs.NAME}}"
    return Diagnostic("expression-malformed", message, expression_span(subject, found), hint, found.severity)
