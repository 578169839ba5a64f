"""When things happen: cron expressions, recurrences, time zones, beginnings and ends.

Reference, sections 8 and 11 (reference-yaml-schedule). azure-ai-ml takes any text; the service does not.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, as_integer, as_lower_text, as_mapping, has_placeholder
from reconciler.format.rules.zones import LOWERCASE_TIME_ZONES, TIME_ZONE_NAMES
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_IANA_ZONE = re.compile(r"[A-Za-z]+(?:/[A-Za-z0-9_+-]+)+")
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)"
    r"(?:(?:[Tt]|\s+)(\d\d?):(\d\d)(?::(\d\d)(?:\.\d+)?)?)?\s*([Zz]|[+-]\d\d?:?(?:\d\d)?)?"
)


@dataclass(frozen=True, slots=True)
class _CronField:
    """One field of a cron expression: its bounds, and the names of its values from the least one up."""

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


def trigger_nodes(subject: RuleContext) -> Iterator[SpecNode]:
    """Yield what triggers something: of a schedule, and of starts and stops of a compute instance."""
    root = SpecNode((), subject.spec)
    if root.child("trigger").spec:
        yield root.child("trigger")
    times = root.child("schedules").spec.get("compute_start_stop")
    for index, time in enumerate(times if isinstance(times, list) else ()):
        for field in ("trigger", "schedule"):
            if inner := as_mapping(as_mapping(time).get(field)):
                yield SpecNode(("schedules", "compute_start_stop", index, field), inner)


def check_cron(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield cron expressions that are none: five fields, each in its bounds."""
    for part in trigger_nodes(subject):
        text = part.spec.get("expression")
        if not isinstance(text, str) or has_placeholder(text):
            continue
        fields = text.split()
        pointer = part.child_pointer("expression")
        if len(fields) != len(_CRON_FIELDS):
            message = f"a cron expression has 5 fields, not {len(fields)}: {text}"
            yield subject.value_diagnostic("cron-illegal", message, *pointer, hint=f"they are {_cron_field_names()}")
            continue
        for field, given in zip(_CRON_FIELDS, fields, strict=True):
            if why := _cron_field_problem(field, given):
                yield subject.value_diagnostic(
                    "cron-illegal", f"{field.name} {given}: {why}", *pointer, hint=_cron_field_hint(field)
                )


def _cron_field_names() -> str:
    return ", ".join(field.name for field in _CRON_FIELDS)


def _cron_field_hint(field: _CronField) -> str:
    names = f", or {field.names[0]} to {field.names[-1]}" if field.names else ""
    return f"the {field.name} is *, or {field.minimum} to {field.maximum}{names}; lists 1,2, ranges 1-5 and steps */5 go, too"


def _cron_field_problem(field: _CronField, given: str) -> str:
    """Say what is wrong with one field; "" for nothing."""
    for item in given.split(","):
        span, slash, step = item.partition("/")
        if slash and not (step.isascii() and step.isdigit() and 0 < int(step[:9]) <= field.maximum):
            return f"{step or 'nothing'} is no step"
        if span == "*":
            continue
        low, dash, high = span.partition("-")
        ends = [_parse_cron_value(field, each) for each in ((low, high) if dash else (low,))]
        if None in ends:
            return f"{span or 'nothing'} is not in {field.minimum} to {field.maximum}"
        if dash and (ends[0] or 0) > (ends[1] or 0):
            return f"{low} comes after {high}"
    return ""


def _parse_cron_value(field: _CronField, text: str) -> int | None:
    if text.lower() in field.names:
        return field.names.index(text.lower()) + field.minimum
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else -1  # noqa: PLR2004 - three digits
    return number if field.minimum <= number <= field.maximum else None


def check_recurrence(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield hours, minutes, days and intervals that do not exist."""
    for part in trigger_nodes(subject):
        interval = as_integer(part.spec.get("interval"))
        if interval is not None and interval < 1:
            yield subject.value_diagnostic(
                "recurrence-illegal", f"an interval is at least 1, not {interval}", *part.child_pointer("interval")
            )
        pattern = part.child("schedule")
        for name, least, most in (("hours", 0, 23), ("minutes", 0, 59), ("month_days", -31, 31)):
            for pointer, value in _field_values(pattern, name):
                number = as_integer(value)
                if number is None or isinstance(value, float) or not least <= number <= most or (least < 0 == number):
                    message = f"{_format_value(value)} is none of the {name.replace('_', ' ')}"
                    hint = f"they are {max(least, int(least < 0))} to {most}"
                    yield subject.value_diagnostic("recurrence-illegal", message, *pointer, hint=hint)


def _field_values(part: SpecNode, name: str) -> Iterator[tuple[tuple[str | int, ...], Json]]:
    """Yield the values of a field that may be one or a list."""
    value = part.spec.get(name)
    if isinstance(value, list):
        yield from ((part.child_pointer(name, index), each) for index, each in enumerate(value))
    elif value is not None and not isinstance(value, str | dict):
        yield part.child_pointer(name), value


def _format_value(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def check_time_zone(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield time zones that Azure ML does not know: it takes the names of Windows, any case."""
    for part in trigger_nodes(subject):
        name = part.spec.get("time_zone")
        if not isinstance(name, str) or as_lower_text(name) in LOWERCASE_TIME_ZONES or has_placeholder(name):
            continue
        place = subject.document.value_span("".join(f"/{each}" for each in part.child_pointer("time_zone")))
        close = did_you_mean(name, TIME_ZONE_NAMES)
        if _IANA_ZONE.fullmatch(name):
            message = f"{name} is a time zone, but Azure ML takes the names of Windows only"
            hint = close or "such as Pacific Standard Time"
            yield Diagnostic("zone-foreign", message, place, hint, Severity.WARNING)
        else:
            hint = close or "it takes the names of Windows, such as Pacific Standard Time, and UTC"
            yield Diagnostic("zone-unknown", f"{name} is no time zone that Azure ML knows", place, hint)


def check_times(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield times that are none, and an end that is not after the beginning."""
    for part in trigger_nodes(subject):
        moments = []
        for name in ("start_time", "end_time"):
            text = part.spec.get(name)
            if not isinstance(text, str) or has_placeholder(text):
                continue
            moment = _parse_time(text)
            if moment is None:
                hint = "write it as 2030-01-31T08:00:00"
                yield subject.value_diagnostic(
                    "time-illegal", f"{text} is no time", *part.child_pointer(name), hint=hint
                )
            else:
                moments.append((moment, text))
        if len(moments) == 2:  # noqa: PLR2004 - beginning and end
            (start, from_), (end, until) = moments
            if start[1] == end[1] and start[0] >= end[0]:
                message = f"it ends at {until}, which is not after its beginning at {from_}"
                yield subject.value_diagnostic("time-order", message, *part.child_pointer("end_time"))


def _parse_time(text: str) -> tuple[tuple[int, ...], str] | None:
    """Read a time: year to second, and the offset as it is written. Only those of one offset can be compared."""
    found = _TIMESTAMP.fullmatch(text.strip())
    if found is None:
        return None
    *numbers, offset = found.groups()
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    if not (year >= 1 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):  # noqa: PLR2004
        return None
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004
        return None
    return (year, month, day, hour, minute, second), (offset or "").upper()


RULES: tuple[Rule, ...] = (check_cron, check_recurrence, check_time_zone, check_times)
