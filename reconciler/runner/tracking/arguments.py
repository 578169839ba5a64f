"""What a client sends, read with suspicion: each value is of its type, or the call is refused in words."""

from __future__ import annotations

import json
from typing import Any

from .errors import invalid_value_error
from .runs import Metric, current_milliseconds, parse_number

JsonObject = dict[str, Any]
_DEFAULT_PAGE_SIZE = 25_000  # rows of one answer, where the client does not say


def parse_metric(row: JsonObject) -> Metric:
    when = row.get("timestamp")
    timestamp = current_milliseconds() if when is None else parse_integer(when)
    return Metric(
        require_text(row, "key"), parse_number(row.get("value")), timestamp, parse_integer(row.get("step", 0))
    )


def paginate_rows(name: str, rows: list[Any], body: JsonObject) -> JsonObject:
    """Cut one page out of an answer; the token of the next is where it begins."""
    start = parse_integer(body.get("page_token") or 0)
    end = start + (parse_integer(body.get("max_results") or 0) or _DEFAULT_PAGE_SIZE)
    part: JsonObject = {name: rows[start:end]}
    return {**part, "next_page_token": str(end)} if end < len(rows) else part


def parse_rows(body: JsonObject, key: str) -> list[JsonObject]:
    rows = body.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise invalid_value_error(f"{key!r} has to be a list of objects")
    return rows


def parse_tags(body: JsonObject) -> dict[str, str]:
    return {require_text(row, "key"): str(row.get("value", "")) for row in parse_rows(body, "tags")}


def parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise invalid_value_error(f"what should be JSON is not: {error}") from error


def require_text(row: JsonObject, key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise invalid_value_error(f"{key!r} has to be a text that is not empty")
    return value


def parse_integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid_value_error(f"{value!r} is no whole number") from error
