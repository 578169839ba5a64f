"""Searches among a job's runs and models: comparisons joined by AND, and the orders that clients ask for."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .errors import invalid
from .runs import Run, number

Field = float | str | None
# How one field of a found thing is read: the part of it (metrics, params, ...) and the key therein.
Reader = Callable[[Any, str, str], Field]
_Test = Callable[[Any], bool]

_FIELD = r"""\s*(?:(?P<part>\w+)\.)?(?P<key>`[^`]+`|"[^"]+"|[\w./-]+)"""
_COMPARISON = re.compile(
    _FIELD
    + r"""\s*(?P<sign>!=|>=|<=|=|>|<|I?LIKE\b)"""
    + r"""\s*(?P<value>'[^']*'|"[^"]*"|[-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(?:\bAND\b|$)""",
    re.IGNORECASE,
)
_ORDER = re.compile(_FIELD + r"\s*(?P<way>ASC|DESC)?\s*$", re.IGNORECASE)
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_METRICS = frozenset({"metrics", "metric"})
_PARAMS = frozenset({"params", "param", "parameters", "parameter"})
_TAGS = frozenset({"tags", "tag"})
_ATTRIBUTES = frozenset({"", "attributes", "attribute", "attr", "run"})


def search(things: Sequence[Any], condition: str, orders: Sequence[str], read: Reader) -> list[Any]:
    """Find what meets a filter, in the order asked for; a filter or an order that cannot be read is refused."""
    tests = _read_filter(condition, read)
    found = [each for each in things if all(test(each) for test in tests)]
    for order in reversed(orders):
        found = _sorted(found, order, read)
    return found


def read_run(run: Run, part: str, key: str) -> Field:
    """Read one field of a run."""
    if part in _METRICS:
        return run.metrics[key].value if key in run.metrics else None
    if part in _PARAMS:
        return run.params.get(key)
    if part in _TAGS:
        return run.tags.get(key)
    attributes: dict[str, Field] = {
        "run_id": run.id,
        "run_name": run.name,
        "status": run.status,
        "user_id": run.user,
        "artifact_uri": run.artifacts,
        "start_time": run.start_time,
        "created": run.start_time,
        "end_time": run.end_time,
    }
    return _attribute(attributes, part, key)


def read_model(model: dict[str, Any], part: str, key: str) -> Field:
    """Read one field of a logged model."""
    if part in _METRICS:
        values = [each["value"] for each in model["data"]["metrics"] if each["key"] == key]
        return number(values[-1]) if values else None
    if part in _PARAMS:
        return _pair(model["data"]["params"], key)
    if part in _TAGS:
        return _pair(model["info"]["tags"], key)
    attributes = {**model["info"], "creation_timestamp": model["info"]["creation_timestamp_ms"]}
    return _attribute(attributes, part, key)


def _attribute(attributes: dict[str, Field], part: str, key: str) -> Field:
    if part not in _ATTRIBUTES:
        raise invalid(f"there is no {part!r} to search by: metrics, params, tags and attributes are")
    if key not in attributes:
        raise invalid(f"there is no attribute {key!r} to search by")
    return attributes[key]


def _pair(rows: list[dict[str, str]], key: str) -> str | None:
    return next((each["value"] for each in rows if each["key"] == key), None)


def _read_filter(condition: str, read: Reader) -> list[_Test]:
    tests: list[_Test] = []
    position = 0
    while position < len(condition.rstrip()):
        match = _COMPARISON.match(condition, position)
        if match is None:
            raise invalid(f"the filter {condition!r} cannot be read from {condition[position:]!r} on")
        tests.append(_test(match, _field(match, read)))
        position = match.end()
    return tests


def _field(match: re.Match[str], read: Reader) -> Callable[[Any], Any]:
    return partial(_call, read, (match["part"] or "").lower(), match["key"].strip('`"'))


def _call(read: Reader, part: str, key: str, thing: Any) -> Field:
    return read(thing, part, key)


def _test(match: re.Match[str], field: Callable[[Any], Any]) -> _Test:
    text = match["value"].strip("'\"")
    sign = match["sign"].upper()
    if sign in _SIGNS:
        return lambda thing: _compare(_SIGNS[sign], field(thing), text)
    flags = re.IGNORECASE if sign == "ILIKE" else re.NOFLAG
    pattern = re.compile(re.escape(text).replace("%", ".*").replace("_", "."), flags | re.DOTALL)
    return lambda thing: isinstance(value := field(thing), str) and pattern.fullmatch(value) is not None


def _compare(sign: Callable[[Any, Any], bool], value: Field, text: str) -> bool:
    if value is None:
        return False
    return sign(value, text if isinstance(value, str) else number(text))


def _sorted(things: list[Any], order: str, read: Reader) -> list[Any]:
    """Sort by one field; what does not have it comes last either way."""
    match = _ORDER.match(order)
    if match is None:
        raise invalid(f"the order {order!r} cannot be read")
    field = _field(match, read)
    known = sorted(
        (each for each in things if field(each) is not None), key=field, reverse=(match["way"] or "").upper() == "DESC"
    )
    return known + [each for each in things if field(each) is None]
