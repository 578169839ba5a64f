"""Searches for runs and models: filters, which are comparisons joined by AND, and orders."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

from .errors import invalid_value_error
from .runs import TrackedRun, parse_number

FieldValue = float | str | None
# Returns a field of a run or a model, by the group of the field (metrics, params, tags, attributes) and its key.
FieldReader = Callable[[Any, str, str], FieldValue]
_Predicate = Callable[[Any], bool]

_FIELD_PATTERN = r"""\s*(?:(?P<group>\w+)\.)?(?P<key>`[^`]+`|"[^"]+"|[\w./-]+)"""
_VALUE_PATTERN = r"""(?:'[^']*'|"[^"]*"|[-+]?[\d.]+(?:[eE][-+]?\d+)?)"""
_COMPARISON_PATTERN = re.compile(
    rf"""{_FIELD_PATTERN}
    (?: \s*(?P<operator> != | >= | <= | = | > | < | I?LIKE\b ) \s*(?P<value>{_VALUE_PATTERN})
      | \s+(?P<not_in>NOT\s+)?IN\s*\( \s*(?P<values>{_VALUE_PATTERN}(?:\s*,\s*{_VALUE_PATTERN})*)\s*,?\s* \)
      | \s+IS\s+(?P<not_null>NOT\s+)?(?P<null>NULL)\b
    )
    \s*(?:\bAND\b|$)""",
    re.IGNORECASE | re.VERBOSE,
)
_ORDER_PATTERN = re.compile(_FIELD_PATTERN + r"\s*(?P<direction>ASC|DESC)?\s*$", re.IGNORECASE)
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


def filter_and_sort(items: Sequence[Any], condition: str, orders: Sequence[str], read: FieldReader) -> list[Any]:
    """Return the items that match a filter, sorted; raises ApiError if the filter or an order is invalid."""
    predicates = _parse_filter(condition, read)
    matches = [item for item in items if all(predicate(item) for predicate in predicates)]
    for order in reversed(orders):
        matches = _sort_by_field(matches, order, read)
    return matches


def read_run_field(run: TrackedRun, group: str, key: str) -> FieldValue:
    """Return a field of a run; None if the run does not have it."""
    if group in _METRIC_ALIASES:
        return run.metrics[key].value if key in run.metrics else None
    if group in _PARAM_ALIASES:
        return run.params.get(key)
    if group in _TAG_ALIASES:
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
    return _read_attribute(attributes, group, key)


def read_model_field(model: dict[str, Any], group: str, key: str) -> FieldValue:
    """Return a field of a logged model; None if the model does not have it."""
    if group in _METRIC_ALIASES:
        rows = [metric for metric in model["data"]["metrics"] if metric["key"] == key]
        last = max(rows, key=lambda row: (row["step"], row["timestamp"]), default=None)
        return parse_number(last["value"]) if last else None
    if group in _PARAM_ALIASES:
        return _find_value(model["data"]["params"], key)
    if group in _TAG_ALIASES:
        return _find_value(model["info"]["tags"], key)
    attributes = {**model["info"], "creation_timestamp": model["info"]["creation_timestamp_ms"]}
    return _read_attribute(attributes, group, key)


def read_registered_field(document: dict[str, Any], group: str, key: str) -> FieldValue:
    """Return a field of a registered model or of a version of one; a tag that it does not have is "".

    Clients leave out prompts by ``!=`` on a tag, which must be true of a model without that tag.
    """
    if group in _TAG_ALIASES:
        return _find_value(document["tags"], key) or ""
    numbers = {"version_number": int(document["version"])} if "version" in document else {}
    return _read_attribute({**document, **numbers, "timestamp": document["creation_timestamp"]}, group, key)


def _read_attribute(attributes: dict[str, FieldValue], group: str, key: str) -> FieldValue:
    if group not in _ATTRIBUTE_ALIASES:
        raise invalid_value_error(f"cannot search by {group!r}, only by metrics, params, tags and attributes")
    if key not in attributes:
        raise invalid_value_error(f"cannot search by the attribute {key!r}: it does not exist")
    return attributes[key]


def _find_value(rows: list[dict[str, str]], key: str) -> str | None:
    return next((row["value"] for row in rows if row["key"] == key), None)


def _parse_filter(condition: str, read: FieldReader) -> list[_Predicate]:
    predicates: list[_Predicate] = []
    position = 0
    while position < len(condition.rstrip()):
        match = _COMPARISON_PATTERN.match(condition, position)
        if match is None:
            raise invalid_value_error(f"the filter {condition!r} is invalid at {condition[position:]!r}")
        predicates.append(_make_predicate(match, _make_field_getter(match, read)))
        position = match.end()
    return predicates


def _make_field_getter(match: re.Match[str], read: FieldReader) -> Callable[[Any], Any]:
    group, key = (match["group"] or "").lower(), match["key"].strip('`"')
    return lambda item: read(item, group, key)


def _make_predicate(match: re.Match[str], get_field: Callable[[Any], Any]) -> _Predicate:
    if match["null"]:
        return lambda item: (get_field(item) is None) != bool(match["not_null"])
    if match["values"]:
        texts = [value.strip("'\"") for value in re.findall(_VALUE_PATTERN, match["values"])]
        return lambda item: _is_among(get_field(item), texts, is_wanted=not match["not_in"])
    text = match["value"].strip("'\"")
    symbol = match["operator"].upper()
    if symbol in _OPERATORS:
        return lambda item: _is_match(_OPERATORS[symbol], get_field(item), text)
    flags = re.IGNORECASE if symbol == "ILIKE" else re.NOFLAG
    pattern = re.compile(re.escape(text).replace("%", ".*").replace("_", "."), flags | re.DOTALL)
    return lambda item: isinstance(value := get_field(item), str) and pattern.fullmatch(value) is not None


def _is_match(compare: Callable[[Any, Any], bool], value: FieldValue, text: str) -> bool:
    if value is None:
        return False
    return compare(value, text if isinstance(value, str) else parse_number(text))


def _is_among(value: FieldValue, texts: Sequence[str], *, is_wanted: bool) -> bool:
    """Return True if a field is one of some values, or is none of them, as wanted; a missing field never matches."""
    return value is not None and any(_is_match(operator.eq, value, text) for text in texts) is is_wanted


def _sort_by_field(items: list[Any], order: str, read: FieldReader) -> list[Any]:
    """Return the items sorted by one field; those without it are last in both directions."""
    match = _ORDER_PATTERN.match(order)
    if match is None:
        raise invalid_value_error(f"the order {order!r} is invalid")
    get_field = _make_field_getter(match, read)
    with_field = sorted(
        (item for item in items if get_field(item) is not None),
        key=get_field,
        reverse=(match["direction"] or "").upper() == "DESC",
    )
    return with_field + [item for item in items if get_field(item) is None]
