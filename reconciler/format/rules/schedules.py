"""When things happen: cron expressions, recurrences, time zones, beginnings and ends.

Reference, sections 8 and 11 (reference-yaml-schedule). azure-ai-ml takes any text; the service does not.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.rules.parts import Part, lower, mapping, placeholder, whole
from reconciler.format.rules.zones import KNOWN, NAMES
from reconciler.format.subject import Rule, Subject
from reconciler.format.suggest import did_you_mean
from reconciler.model import Json

_WEEK = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_YEAR = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_IANA = re.compile(r"[A-Za-z]+(?:/[A-Za-z0-9_+-]+)+")
_TIME = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)"
    r"(?:(?:[Tt]|\s+)(\d\d?):(\d\d)(?::(\d\d)(?:\.\d+)?)?)?\s*([Zz]|[+-]\d\d?:?(?:\d\d)?)?"
)


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a cron expression: its bounds, and the names of its values from the least one up."""

    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _YEAR),
    _Field("day of the week", 0, 7, _WEEK),
)


def triggers(subject: Subject) -> Iterator[Part]:
    """Yield what triggers something: of a schedule, and of starts and stops of a compute instance."""
    root = Part((), subject.spec)
    if root.inner("trigger").spec:
        yield root.inner("trigger")
    times = root.inner("schedules").spec.get("compute_start_stop")
    for index, each in enumerate(times if isinstance(times, list) else ()):
        for field in ("trigger", "schedule"):
            if inner := mapping(mapping(each).get(field)):
                yield Part(("schedules", "compute_start_stop", index, field), inner)


def cron(subject: Subject) -> Iterator[Diagnostic]:
    """Yield cron expressions that are none: five fields, each in its bounds."""
    for part in triggers(subject):
        text = part.spec.get("expression")
        if not isinstance(text, str) or placeholder(text):
            continue
        fields = text.split()
        pointer = part.below("expression")
        if len(fields) != len(_FIELDS):
            message = f"a cron expression has 5 fields, not {len(fields)}: {text}"
            yield subject.at_value("cron-illegal", message, *pointer, hint=f"they are {_all_fields()}")
            continue
        for field, given in zip(_FIELDS, fields, strict=True):
            if why := _wrong(field, given):
                yield subject.at_value("cron-illegal", f"{field.name} {given}: {why}", *pointer, hint=_bounds(field))


def _all_fields() -> str:
    return ", ".join(field.name for field in _FIELDS)


def _bounds(field: _Field) -> str:
    names = f", or {field.names[0]} to {field.names[-1]}" if field.names else ""
    return (
        f"the {field.name} is *, or {field.least} to {field.most}{names}; lists 1,2, ranges 1-5 and steps */5 go, too"
    )


def _wrong(field: _Field, given: str) -> str:
    """Say what is wrong with one field; "" for nothing."""
    for item in given.split(","):
        span, slash, step = item.partition("/")
        if slash and not (step.isascii() and step.isdigit() and 0 < int(step[:9]) <= field.most):
            return f"{step or 'nothing'} is no step"
        if span == "*":
            continue
        low, dash, high = span.partition("-")
        ends = [_value(field, each) for each in ((low, high) if dash else (low,))]
        if None in ends:
            return f"{span or 'nothing'} is not in {field.least} to {field.most}"
        if dash and (ends[0] or 0) > (ends[1] or 0):
            return f"{low} comes after {high}"
    return ""


def _value(field: _Field, text: str) -> int | None:
    if text.lower() in field.names:
        return field.names.index(text.lower()) + field.least
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else -1  # noqa: PLR2004 - three digits
    return number if field.least <= number <= field.most else None


def recurrence(subject: Subject) -> Iterator[Diagnostic]:
    """Yield hours, minutes, days and intervals that do not exist."""
    for part in triggers(subject):
        interval = whole(part.spec.get("interval"))
        if interval is not None and interval < 1:
            yield subject.at_value(
                "recurrence-illegal", f"an interval is at least 1, not {interval}", *part.below("interval")
            )
        pattern = part.inner("schedule")
        for name, least, most in (("hours", 0, 23), ("minutes", 0, 59), ("month_days", -31, 31)):
            for pointer, value in _listed(pattern, name):
                number = whole(value)
                if number is None or isinstance(value, float) or not least <= number <= most or (least < 0 == number):
                    message = f"{_shown(value)} is none of the {name.replace('_', ' ')}"
                    hint = f"they are {max(least, int(least < 0))} to {most}"
                    yield subject.at_value("recurrence-illegal", message, *pointer, hint=hint)


def _listed(part: Part, name: str) -> Iterator[tuple[tuple[str | int, ...], Json]]:
    """Yield the values of a field that may be one or a list."""
    value = part.spec.get(name)
    if isinstance(value, list):
        yield from ((part.below(name, index), each) for index, each in enumerate(value))
    elif value is not None and not isinstance(value, str | dict):
        yield part.below(name), value


def _shown(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def zone(subject: Subject) -> Iterator[Diagnostic]:
    """Yield time zones that Azure ML does not know: it takes the names of Windows, any case."""
    for part in triggers(subject):
        name = part.spec.get("time_zone")
        if not isinstance(name, str) or lower(name) in KNOWN or placeholder(name):
            continue
        place = subject.document.value("".join(f"/{each}" for each in part.below("time_zone")))
        close = did_you_mean(name, NAMES)
        if _IANA.fullmatch(name):
            message = f"{name} is a time zone, but Azure ML takes the names of Windows only"
            hint = close or "such as Pacific Standard Time"
            yield Diagnostic("zone-foreign", message, place, hint, Severity.WARNING)
        else:
            hint = close or "it takes the names of Windows, such as Pacific Standard Time, and UTC"
            yield Diagnostic("zone-unknown", f"{name} is no time zone that Azure ML knows", place, hint)


def times(subject: Subject) -> Iterator[Diagnostic]:
    """Yield times that are none, and an end that is not after the beginning."""
    for part in triggers(subject):
        moments = []
        for name in ("start_time", "end_time"):
            text = part.spec.get(name)
            if not isinstance(text, str) or placeholder(text):
                continue
            moment = _moment(text)
            if moment is None:
                hint = "write it as 2030-01-31T08:00:00"
                yield subject.at_value("time-illegal", f"{text} is no time", *part.below(name), hint=hint)
            else:
                moments.append((moment, text))
        if len(moments) == 2:  # noqa: PLR2004 - beginning and end
            (start, from_), (end, until) = moments
            if start[1] == end[1] and start[0] >= end[0]:
                message = f"it ends at {until}, which is not after its beginning at {from_}"
                yield subject.at_value("time-order", message, *part.below("end_time"))


def _moment(text: str) -> tuple[tuple[int, ...], str] | None:
    """Read a time: year to second, and the offset as it is written. Only those of one offset can be compared."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    *numbers, offset = found.groups()
    year, month, day, hour, minute, second = (int(each or 0) for each in numbers)
    if not (year >= 1 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):  # noqa: PLR2004
        return None
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004
        return None
    return (year, month, day, hour, minute, second), (offset or "").upper()


RULES: tuple[Rule, ...] = (cron, recurrence, zone, times)
