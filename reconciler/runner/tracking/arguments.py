"""Parses and checks the bodies of calls; each function raises ApiError for an invalid value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .errors import invalid_value_error
from .runs import Metric, current_milliseconds, parse_number

JsonObject = dict[str, Any]
_LARGEST_INTEGER = 2**63 - 1  # as in the databases of MLflow
_DEFAULT_PAGE_SIZE = 25_000  # rows of one response, if the client sets no limit


def parse_metric(row: JsonObject) -> Metric:
    timestamp = current_milliseconds() if row.get("timestamp") is None else parse_integer(row["timestamp"])
    return Metric(
        require_text(row, "key"), parse_number(row.get("value")), timestamp, parse_integer(row.get("step", 0))
    )


def paginate_rows(name: str, rows: Sequence[Any], body: JsonObject) -> JsonObject:
    """Return one page of a response; the token of the next page is the index of its first row."""
    start = parse_integer(body.get("page_token") or 0)
    end = start + (parse_integer(body.get("max_results") or 0) or _DEFAULT_PAGE_SIZE)
    page: JsonObject = {name: rows[start:end]}
    return {**page, "next_page_token": str(end)} if end < len(rows) else page


def parse_rows(body: JsonObject, key: str) -> list[JsonObject]:
    rows = body.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise invalid_value_error(f"{key!r} must be a list of objects")
    return rows


def parse_tags(body: JsonObject) -> dict[str, str]:
    return {require_text(row, "key"): str(row.get("value", "")) for row in parse_rows(body, "tags")}


def parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise invalid_value_error(f"invalid JSON: {error}") from error


def require_text(row: JsonObject, key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise invalid_value_error(f"{key!r} must be a string that is not empty")
    return value


def parse_integer(value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid_value_error(f"{value!r} is not an integer") from error
    if abs(number) > _LARGEST_INTEGER:
        raise invalid_value_error(f"{value!r} is too large")
    return number
