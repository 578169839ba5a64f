"""Render the first rows of a table, as cells for a terminal and as JSON."""

from __future__ import annotations

import json

from reconciler.abbreviation import cut_middle
from reconciler.model import Json
from reconciler.render.sanitize import sanitize_line

_MAX_CELL = 40  # characters


def format_cell(value: Json) -> str:
    """Return a value on one short line: blank if it is missing."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return cut_middle(sanitize_line(text), _MAX_CELL)


def head_to_json(version: str, source: str, columns: Json, rows: Json, *, has_more: bool) -> Json:
    """Return the first rows of a table as one document, each a list of its values."""
    return {
        "version": version,
        "table": source,
        "columns": [{"name": name, "type": kind} for name, kind in columns],
        "rows": [list(row) for row in rows],
        "more": has_more,
    }
