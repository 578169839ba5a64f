"""What a client sends, read with suspicion: each value is of its type, or the call is refused in words."""

from __future__ import annotations

import json
from typing import Any

from .errors import invalid
from .runs import Metric, milliseconds, number

Body = dict[str, Any]
_PAGE = 25_000  # rows of one answer, where the client does not say


def read_metric(row: Body) -> Metric:
    when = row.get("timestamp")
    timestamp = milliseconds() if when is None else read_integer(when)
    return Metric(read_text(row, "key"), number(row.get("value")), timestamp, read_integer(row.get("step", 0)))


def page(name: str, rows: list[Any], body: Body) -> Body:
    """Cut one page out of an answer; the token of the next is where it begins."""
    start = read_integer(body.get("page_token") or 0)
    end = start + (read_integer(body.get("max_results") or 0) or _PAGE)
    part: Body = {name: rows[start:end]}
    return {**part, "next_page_token": str(end)} if end < len(rows) else part


def read_rows(body: Body, key: str) -> list[Body]:
    rows = body.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
        raise invalid(f"{key!r} has to be a list of objects")
    return rows


def read_tags(body: Body) -> dict[str, str]:
    return {read_text(each, "key"): str(each.get("value", "")) for each in read_rows(body, "tags")}


def read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise invalid(f"what should be JSON is not: {error}") from error


def read_text(row: Body, key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise invalid(f"{key!r} has to be a text that is not empty")
    return value


def read_integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid(f"{value!r} is no whole number") from error
