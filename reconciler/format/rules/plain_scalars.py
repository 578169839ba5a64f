"""Unquoted values that YAML 1.1 reads as something else than they look like: dates, NO, on, 010, 12:30:45.

azure-ai-ml refuses a date as an input or as a start or end time, and takes it as text in tags. It passes the other
values on as YAML reads them, so that a job gets False where NO is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.pointers import Pointer, join_pointer
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.schedules import trigger_nodes
from reconciler.format.rules.spec_nodes import as_lower_text, as_mapping, executable_nodes
from reconciler.format.scalars import is_date, is_read_differently
from reconciler.model import Json, Spec

# A quick search for any of them, which most files do not have.
_SUSPICIOUS = re.compile(
    r"[:\-\[,{](?:\s+|(?<=[\[{]))[-+]?(?=[\dynoYNO])"  # begins with one class of characters: `re` is fast then
    r"(?:\d[\d_]*[_:]\d|0[0-9xb]|\d{4}-\d\d?-\d|(?:yes|no|on|off|Yes|No|On|Off|YES|NO|ON|OFF)\b)"
)
_TIME_FIELDS = ("start_time", "end_time")
_CONSTANT_FIELDS = ("default", "path")
_BOOLEAN = "boolean"


def check_input_values(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield the unquoted dates and misleading words among the values of inputs."""
    constants = [
        (node.child_pointer("inputs", *path), value)
        for node in executable_nodes(context)
        for path, value in _input_constants(as_mapping(node.spec.get("inputs")))
        if not isinstance(value, str) or is_date(value)
    ]
    if constants and _SUSPICIOUS.search(context.document.text):
        for pointer, value in constants:
            yield from _check_value(context, pointer, value)


def _input_constants(inputs: Spec) -> Iterator[tuple[Pointer, Json]]:
    """Yield each constant among inputs with its path from there."""
    for name, value in inputs.items():
        if not isinstance(value, dict):
            yield (name,), value
        elif as_lower_text(value.get("type")) != _BOOLEAN:
            yield from (((name, field), value[field]) for field in _CONSTANT_FIELDS if field in value)


def _check_value(context: RuleContext, pointer: Pointer, value: Json) -> Iterator[Diagnostic]:
    """Yield what is wrong with a constant: an error for a date, a warning for a misleading word."""
    text = context.document.plain_text(join_pointer(*pointer))
    if text is None:
        return
    if is_date(text):
        yield date_diagnostic(context, pointer, text)
    elif is_read_differently(text):
        message = f"YAML 1.1 reads {text} as {_plain_form(value)}"
        hint = f'the job gets {value}; write "{text}" for the text, or {_plain_form(value)} for the value'
        span = context.document.value_span(join_pointer(*pointer))
        yield Diagnostic("value-ambiguous", message, span, hint, Severity.WARNING)


def _plain_form(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def date_diagnostic(context: RuleContext, pointer: Pointer, text: str) -> Diagnostic:
    """Return the diagnostic of an unquoted date where azure-ai-ml expects text."""
    return context.value_diagnostic(
        "value-ambiguous", f"{text} is a date in YAML 1.1; quote it", *pointer, hint=f'write "{text}"'
    )


def check_times(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield start and end times that are not quoted."""
    for node in trigger_nodes(context):
        for field in _TIME_FIELDS:
            text = context.document.plain_text(join_pointer(*node.child_pointer(field))) if field in node.spec else None
            if text is not None and is_date(text):
                yield date_diagnostic(context, node.child_pointer(field), text)


EXECUTABLE_RULES: tuple[Rule, ...] = (check_input_values,)
SCHEDULE_RULES: tuple[Rule, ...] = (check_times,)
