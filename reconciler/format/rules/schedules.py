"""The cron expressions, recurrences, time zones, start and end times of schedules.

Reference, sections 8 and 11 (reference-yaml-schedule). azure-ai-ml accepts any text; the service does not.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, as_integer, as_lower_text, as_mapping, has_placeholder
from reconciler.format.rules.zones import LOWERCASE_TIME_ZONES, TIME_ZONE_NAMES
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_IANA_ZONE = r"[A-Za-z]+(?:/[A-Za-z0-9_+-]+)+"
_TIMESTAMP = (
    r"(\d{4})-(\d\d?)-(\d\d?)"
    r"(?:(?:[Tt]|\s+)(\d\d?):(\d\d)(?::(\d\d)(?:\.\d+)?)?)?\s*([Zz]|[+-]\d\d?:?(?:\d\d)?)?"
)


class _CronField(NamedTuple):
    """One field of a cron expression: its range, and the names of its values in ascending order."""

    name: str
    minimum: int
    maximum: int
    names: tuple[str, ...] = ()


_CRON_FIELDS = (
    _CronField("minute", 0, 59),
    _CronField("hour", 0, 23),
    _CronField("day", 1, 31),
    _CronField("month", 1, 12, _MONTHS),
    _CronField("day of the week", 0, 7, _WEEKDAYS),
)


def trigger_nodes(context: RuleContext) -> Iterator[SpecNode]:
    """Yield the triggers of a schedule, and those of the start and stop schedules of a compute instance."""
    root = SpecNode((), context.spec)
    if root.child("trigger").spec:
        yield root.child("trigger")
    times = root.child("schedules").spec.get("compute_start_stop")
    for index, time in enumerate(times if isinstance(times, list) else ()):
        for field in ("trigger", "schedule"):
            if inner := as_mapping(as_mapping(time).get(field)):
                yield SpecNode(("schedules", "compute_start_stop", index, field), inner)


def check_cron(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield cron expressions that do not have five fields, or a field out of range."""
    for node in trigger_nodes(context):
        text = node.spec.get("expression")
        if not isinstance(text, str) or has_placeholder(text):
            continue
        fields = text.split()
        pointer = node.child_pointer("expression")
        if len(fields) != len(_CRON_FIELDS):
            message = f"a cron expression has 5 fields, not {len(fields)}: {text}"
            yield context.value_diagnostic(
                "cron-illegal", message, *pointer, hint=f"the fields are {_cron_field_names()}"
            )
            continue
        for field, field_text in zip(_CRON_FIELDS, fields, strict=True):
            if problem := _cron_field_problem(field, field_text):
                message = f"{field.name} {field_text}: {problem}"
                yield context.value_diagnostic("cron-illegal", message, *pointer, hint=_cron_field_hint(field))


def _cron_field_names() -> str:
    return ", ".join(field.name for field in _CRON_FIELDS)


def _cron_field_hint(field: _CronField) -> str:
    names = f", or {field.names[0]} to {field.names[-1]}" if field.names else ""
    values = f"*, {field.minimum} to {field.maximum}{names}"
    return f"the {field.name} can be {values}, a list 1,2, a range 1-5 or a step */5"


def _cron_field_problem(field: _CronField, text: str) -> str:
    """Return what is wrong with one field; "" if it is valid."""
    for item in text.split(","):
        values, slash, step = item.partition("/")
        if slash and not (step.isascii() and step.isdigit() and 0 < int(step[:9]) <= field.maximum):
            return f"{step or 'nothing'} is not a valid step"
        if values == "*":
            continue
        low, dash, high = values.partition("-")
        ends = [_parse_cron_value(field, bound) for bound in ((low, high) if dash else (low,))]
        if None in ends:
            return f"{values or 'nothing'} is not in {field.minimum} to {field.maximum}"
        if dash and (ends[0] or 0) > (ends[1] or 0):
            return f"{low} is greater than {high}"
    return ""


def _parse_cron_value(field: _CronField, text: str) -> int | None:
    if text.lower() in field.names:
        return field.names.index(text.lower()) + field.minimum
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else -1  # noqa: PLR2004 - three digits
    return number if field.minimum <= number <= field.maximum else None


def check_recurrence(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield hours, minutes, days and intervals that are out of range."""
    for node in trigger_nodes(context):
        interval = as_integer(node.spec.get("interval"))
        if interval is not None and interval < 1:
            yield context.value_diagnostic(
                "recurrence-illegal", f"an interval must be at least 1, not {interval}", *node.child_pointer("interval")
            )
        pattern = node.child("schedule")
        for name, minimum, maximum in (("hours", 0, 23), ("minutes", 0, 59), ("month_days", -31, 31)):
            for pointer, value in _field_values(pattern, name):
                number = as_integer(value)
                if (
                    number is None
                    or isinstance(value, float)
                    or not minimum <= number <= maximum
                    or (minimum < 0 == number)
                ):
                    message = f"{_format_value(value)} is not a valid value in {name}:"
                    hint = f"use {max(minimum, int(minimum < 0))} to {maximum}"
                    yield context.value_diagnostic("recurrence-illegal", message, *pointer, hint=hint)


def _field_values(node: SpecNode, name: str) -> Iterator[tuple[tuple[str | int, ...], Json]]:
    """Yield the pointer and the value of every item of a field that holds one value or a list."""
    value = node.spec.get(name)
    if isinstance(value, list):
        yield from ((node.child_pointer(name, index), item) for index, item in enumerate(value))
    elif value is not None and not isinstance(value, str | dict):
        yield node.child_pointer(name), value


def _format_value(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def check_time_zone(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield time zones that Azure ML does not know; it knows the Windows names, in any case."""
    for node in trigger_nodes(context):
        name = node.spec.get("time_zone")
        if not isinstance(name, str) or as_lower_text(name) in LOWERCASE_TIME_ZONES or has_placeholder(name):
            continue
        span = context.document.value_span("".join(f"/{item}" for item in node.child_pointer("time_zone")))
        close = did_you_mean(name, TIME_ZONE_NAMES)
        if re.fullmatch(_IANA_ZONE, name):
            message = f"{name} is an IANA time zone; Azure ML only knows Windows names"
            hint = close or "use a name such as Pacific Standard Time"
            yield Diagnostic("zone-foreign", message, span, hint, Severity.WARNING)
        else:
            hint = close or "use a Windows name such as Pacific Standard Time, or UTC"
            yield Diagnostic("zone-unknown", f"unknown time zone {name}", span, hint)


def check_times(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield invalid times, and an end that is not after the start."""
    for node in trigger_nodes(context):
        times = []
        for name in ("start_time", "end_time"):
            text = node.spec.get(name)
            if not isinstance(text, str) or has_placeholder(text):
                continue
            time = _parse_time(text)
            if time is None:
                hint = "write it as 2030-01-31T08:00:00"
                yield context.value_diagnostic(
                    "time-illegal", f"{text} is not a valid time", *node.child_pointer(name), hint=hint
                )
            else:
                times.append((time, text))
        if len(times) == 2:  # noqa: PLR2004 - start and end
            (start, start_text), (end, end_text) = times
            if start[1] == end[1] and start[0] >= end[0]:
                message = f"the end {end_text} is not after the start {start_text}"
                yield context.value_diagnostic("time-order", message, *node.child_pointer("end_time"))


def _parse_time(text: str) -> tuple[tuple[int, ...], str] | None:
    """Return the numbers from year to second, and the offset as written; None if a text is not a valid time."""
    match = re.fullmatch(_TIMESTAMP, text.strip())
    if match is None:
        return None
    *numbers, offset = match.groups()
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    if not (year >= 1 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):  # noqa: PLR2004
        return None
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004
        return None
    return (year, month, day, hour, minute, second), (offset or "").upper()


RULES: tuple[Rule, ...] = (check_cron, check_recurrence, check_time_zone, check_times)
