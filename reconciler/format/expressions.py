"""The parser for expressions: ``${{inputs.x}}`` and the optional ``$[[ --x ${{inputs.x}} ]]`` (reference, section 3).

In a command, expressions refer to the inputs and outputs of the job or component. In a pipeline node,
``${{parent...}}`` refers to the pipeline; ``bindings`` checks those.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.pointers import Pointer, join_pointer
from reconciler.format.rule_context import RuleContext

_OPEN, _CLOSE = "${{", "}}"
# Texts that look like an expression: $ {{x}}, {{x}}, {{$x}}, and ${inputs.x}, which the shell would expand.
_LOOKALIKE = re.compile(
    r"\$[ \t]+\{\{([^{}\n]*)\}\}"
    r"|(?<![${])\{\{\s*\$?\s*([A-Za-z_][\w.]*)\s*\}\}(?!\})"
    r"|\$\{\s*((?:parent|inputs|outputs|search_space)\.[\w.]+)\s*\}"
)
_ROOTS = frozenset({"parent", "inputs", "outputs", "search_space"})


class Expression(NamedTuple):
    """One expression: the pointer of its value, its text, the names between its dots, and its offset in the value."""

    pointer: Pointer
    text: str
    path: tuple[str, ...]
    start: int = 0
    optional: bool = False

    def __str__(self) -> str:
        return self.text


class MalformedExpression(NamedTuple):
    """A text that begins like an expression but is not one, with the reason and the severity of the diagnostic.

    ``correction`` is the expression that was probably meant, "" if that is not known.
    """

    pointer: Pointer
    text: str
    reason: str
    start: int = 0
    severity: Severity = Severity.WARNING
    correction: str = ""


def parse_expressions(text: str, pointer: Pointer = ()) -> tuple[Expression | MalformedExpression, ...]:
    """Return the expressions in a text, well-formed or not. Takes time linear in the length of the text."""
    return _parse_cached(text, pointer) if _OPEN in text or "$[[" in text else ()


@lru_cache(maxsize=1024)  # several rules parse the same text
def _parse_cached(text: str, pointer: Pointer) -> tuple[Expression | MalformedExpression, ...]:
    return tuple(_scan_expressions(text, pointer))


def _scan_expressions(text: str, pointer: Pointer) -> Iterator[Expression | MalformedExpression]:
    optional = _optional_ranges(text) if "$[[" in text else ()
    range_starts = [range_start for range_start, _ in optional]
    start, end = text.find(_OPEN), 0
    while start >= 0:
        next_start = text.find(_OPEN, start + len(_OPEN))
        if 0 <= end < start + len(_OPEN):
            end = text.find(_CLOSE, start)
        if end < 0 or 0 <= next_start < end:
            word = text[start : next_start if next_start >= 0 else None].split(maxsplit=1)[0]
            yield MalformedExpression(pointer, word, "it is not closed with }}", start)
        else:
            range_index = bisect_right(range_starts, start) - 1
            yield _parse_expression(
                text[start : end + len(_CLOSE)],
                pointer,
                start,
                optional=range_index >= 0 and start < optional[range_index][1],
            )
        start = next_start
    if optional and optional[-1][1] == len(text) and not text.endswith("]]"):
        yield MalformedExpression(pointer, "$[[", "it is not closed with ]]", optional[-1][0])


def _parse_expression(text: str, pointer: Pointer, start: int, *, optional: bool) -> Expression | MalformedExpression:
    """Parse the text of one expression, with ${{ and }}."""
    inside = text[len(_OPEN) : -len(_CLOSE)].strip()
    names = tuple(inside.split("."))
    if not all(names):
        return MalformedExpression(pointer, text, "it has an empty name", start, Severity.ERROR)
    if len(inside.split(maxsplit=1)) > 1:
        return MalformedExpression(pointer, text, "it contains spaces", start)
    return Expression(pointer, text, names, start, optional)


def _optional_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """Return the start and end offsets of the optional parts of a text, in order."""
    ranges: list[tuple[int, int]] = []
    start = text.find("$[[")
    while start >= 0:
        end = text.find("]]", start)
        end = len(text) if end < 0 else end + 2
        ranges.append((start, end))
        start = text.find("$[[", end)
    return tuple(ranges)


def may_have_lookalikes(text: str) -> bool:
    """Return False if nothing in a text looks like an expression and is none, as in nearly every text."""
    without_expressions = text.replace(_OPEN, "")
    return "{{" in without_expressions or "${" in without_expressions


def find_lookalikes(text: str, pointer: Pointer, *, with_any_name: bool) -> Iterator[MalformedExpression]:
    """Yield the texts that look like an expression and are none; only those of a known root unless ``with_any_name``.

    Other programs have placeholders of the same form, such as templates of prompts.
    """
    for match in _LOOKALIKE.finditer(text) if may_have_lookalikes(text) else ():
        inside = (match[1] or match[2] or match[3] or "").strip().lstrip("$").strip()
        if with_any_name or inside.partition(".")[0] in _ROOTS:
            correction = f"{_OPEN}{inside}{_CLOSE}" if inside else ""
            yield MalformedExpression(pointer, match[0], "it is text", match.start(), correction=correction)


def parse_binding(value: object, pointer: Pointer = ()) -> Expression | None:
    """Return the expression that a value consists of; None for any other value."""
    if not isinstance(value, str) or not value.lstrip().startswith(_OPEN):
        return None
    expressions = parse_expressions(value.strip(), pointer)
    expression = expressions[0] if len(expressions) == 1 else None
    return expression if isinstance(expression, Expression) and expression.text == value.strip() else None


def expression_span(context: RuleContext, expression: Expression | MalformedExpression) -> Span:
    """Return the span of an expression, or of the value that contains it if it cannot be located in the file."""
    span = context.document.value_span(join_pointer(*expression.pointer))
    start = context.document.offset_of(span)
    offset = context.document.text.find(
        expression.text, start, start + expression.start * 2 + len(expression.text) + 200
    )
    return context.document.span_at(offset) if offset >= 0 and expression.text else span


def malformed_expression_diagnostic(context: RuleContext, expression: MalformedExpression) -> Diagnostic:
    """Return the diagnostic of a malformed expression.

    azure-ai-ml passes the text on unchanged, so it may be intended; in a component's command it rejects empty names.
    """
    message = f"{expression.text} is not an expression: {expression.reason}"
    hint = f"write {expression.correction or '${{inputs.NAME}}'}"
    return Diagnostic("expression-malformed", message, expression_span(context, expression), hint, expression.severity)
