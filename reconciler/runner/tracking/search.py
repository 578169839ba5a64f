"""Searches among a job's runs and models: comparisons joined by AND, and the orders that clients ask for."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .errors import invalid_value_error
from .runs import TrackedRun, parse_number

FieldValue = float | str | None
# How one field of a found thing is read: the part of it (metrics, params, ...) and the key therein.
FieldReader = Callable[[Any, str, str], FieldValue]
_Predicate = Callable[[Any], bool]

_FIELD_PATTERN = r"""\s*(?:(?P<part>\w+)\.)?(?P<key>`[^`]+`|"[^"]+"|[\w./-]+)"""
_COMPARISON_PATTERN = re.compile(
    _FIELD_PATTERN
    + r"""\s*(?P<sign>!=|>=|<=|=|>|<|I?LIKE\b)"""
    + r"""\s*(?P<value>'[^']*'|"[^"]*"|[-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(?:\bAND\b|$)""",
    re.IGNORECASE,
)
_ORDER_PATTERN = re.compile(_FIELD_PATTERN + r"\s*(?P<way>ASC|DESC)?\s*$", re.IGNORECASE)
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_METRIC_ALIASES = frozenset({"metrics", "metric"})
_PARAM_ALIASES = frozenset({"params", "param", "parameters", "parameter"})
_TAG_ALIASES = frozenset({"tags", "tag"})
_ATTRIBUTE_ALIASES = frozenset({"", "attributes", "attribute", "attr", "run"})


def filter_and_sort(things: Sequence[Any], condition: str, orders: Sequence[str], read: FieldReader) -> list[Any]:
    """Find what meets a filter, in the order asked for; a filter or an order that cannot be read is refused."""
    tests = _parse_filter(condition, read)
    found = [thing for thing in things if all(test(thing) for test in tests)]
    for order in reversed(orders):
        found = _sort_by_field(found, order, read)
    return found


def read_run_field(run: TrackedRun, part: str, key: str) -> FieldValue:
    """Read one field of a run."""
    if part in _METRIC_ALIASES:
        return run.metrics[key].value if key in run.metrics else None
    if part in _PARAM_ALIASES:
        return run.params.get(key)
    if part in _TAG_ALIASES:
        return run.tags.get(key)
    attributes: dict[str, FieldValue] = {
        "run_id": run.id,
        "run_name": run.name,
        "status": run.status,
        "user_id": run.user,
        "artifact_uri": run.artifact_path,
        "start_time": run.start_time,
        "created": run.start_time,
        "end_time": run.end_time,
    }
    return _read_attribute(attributes, part, key)


def read_model_field(model: dict[str, Any], part: str, key: str) -> FieldValue:
    """Read one field of a logged model."""
    if part in _METRIC_ALIASES:
        values = [each["value"] for each in model["data"]["metrics"] if each["key"] == key]
        return parse_number(values[-1]) if values else None
    if part in _PARAM_ALIASES:
        return _find_value(model["data"]["params"], key)
    if part in _TAG_ALIASES:
        return _find_value(model["info"]["tags"], key)
    attributes = {**model["info"], "creation_timestamp": model["info"]["creation_timestamp_ms"]}
    return _read_attribute(attributes, part, key)


def _read_attribute(attributes: dict[str, FieldValue], part: str, key: str) -> FieldValue:
    if part not in _ATTRIBUTE_ALIASES:
        raise invalid_value_error(f"there is no {part!r} to search by: metrics, params, tags and attributes are")
    if key not in attributes:
        raise invalid_value_error(f"there is no attribute {key!r} to search by")
    return attributes[key]


def _find_value(rows: list[dict[str, str]], key: str) -> str | None:
    return next((row["value"] for row in rows if row["key"] == key), None)


def _parse_filter(condition: str, read: FieldReader) -> list[_Predicate]:
    tests: list[_Predicate] = []
    position = 0
    while position < len(condition.rstrip()):
        match = _COMPARISON_PATTERN.match(condition, position)
        if match is None:
            raise invalid_value_error(f"the filter {condition!r} cannot be read from {condition[position:]!r} on")
        tests.append(_make_predicate(match, _make_field_getter(match, read)))
        position = match.end()
    return tests


def _make_field_getter(match: re.Match[str], read: FieldReader) -> Callable[[Any], Any]:
    return partial(_read_field, read, (match["part"] or "").lower(), match["key"].strip('`"'))


def _read_field(read: FieldReader, part: str, key: str, thing: Any) -> FieldValue:
    return read(thing, part, key)


def _make_predicate(match: re.Match[str], field: Callable[[Any], Any]) -> _Predicate:
    text = match["value"].strip("'\"")
    sign = match["sign"].upper()
    if sign in _OPERATORS:
        return lambda thing: _compare_value(_OPERATORS[sign], field(thing), text)
    flags = re.IGNORECASE if sign == "ILIKE" else re.NOFLAG
    pattern = re.compile(re.escape(text).replace("%", ".*").replace("_", "."), flags | re.DOTALL)
    return lambda thing: isinstance(value := field(thing), str) and pattern.fullmatch(value) is not None


def _compare_value(sign: Callable[[Any, Any], bool], value: FieldValue, text: str) -> bool:
    if value is None:
        return False
    return sign(value, text if isinstance(value, str) else parse_number(text))


def _sort_by_field(things: list[Any], order: str, read: FieldReader) -> list[Any]:
    """Sort by one field; what does not have it comes last either way."""
    match = _ORDER_PATTERN.match(order)
    if match is None:
        raise invalid_value_error(f"the order {order!r} cannot be read")
    field = _make_field_getter(match, read)
    known = sorted(
        (thing for thing in things if field(thing) is not None),
        key=field,
        reverse=(match["way"] or "").upper() == "DESC",
    )
    return known + [thing for thing in things if field(thing) is None]
