"""Render how the files of data change in a plan: how many, and how many bytes.

Imported by name: ``render.table_comparisons``, for a plan of data with tables that changed.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.abbreviation import format_size
from reconciler.model import EMPTY_MAPPING, ContentChange, Forecast, Json, TableComparison


def content_to_json(change: ContentChange | None) -> Json:
    """Return a change as a plan in JSON has it; empty if there is none. What is zero, or not known, is left out."""
    if change is None:
        return {}
    groups = {
        "added": {"files": change.added, "bytes": change.bytes_added},
        "removed": {"files": change.removed, "bytes": change.bytes_removed},
        "changed": {"files": change.changed, "before": change.bytes_before, "after": change.bytes_after},
    }
    return {
        name: {key: value for key, value in group.items() if value is not None}
        for name, group in groups.items()
        if group["files"]
    }


def content_lines(action: Mapping[str, Json]) -> Iterator[str]:
    """Yield a line on the files of an action, given as a plan in JSON has it; nothing if a name says as much."""
    groups = action.get("content", {})
    has_sizes = any(len(group) > 1 for group in groups.values())
    if has_sizes or sum(group["files"] for group in groups.values()) > 1:
        yield f"files: {', '.join(_group_text(name, group) for name, group in groups.items())}"


def _group_text(name: str, group: Mapping[str, int]) -> str:
    text = f"{group['files']} {name}"
    if "bytes" in group:
        return f"{text} ({format_size(group['bytes'])})"
    if "before" in group:
        before, after = format_size(group["before"]), format_size(group["after"])
        return f"{text} ({before} -> {after})" if before != after else f"{text} ({after})"
    return text


def table_lines_by_data(forecasts: Iterable[Forecast]) -> Mapping[str, list[str]]:
    """Return what differs in tables, as lines by the address of the data; nothing more is loaded without any."""
    comparisons = [item for item in forecasts if isinstance(item, TableComparison)]
    if not comparisons:
        return EMPTY_MAPPING
    module = _table_comparisons()
    return {str(item.address): list(module.comparison_lines(item)) for item in comparisons}


def tables_to_json(forecasts: Iterable[Forecast]) -> list[Json]:
    """Return what differs in tables as events and reports have it."""
    return [_table_comparisons().comparison_to_json(item) for item in forecasts if isinstance(item, TableComparison)]


def tables_from_json(documents: Iterable[Json]) -> Iterator[TableComparison]:
    """Yield what differs in tables, from valid documents."""
    return (_table_comparisons().comparison_from_json(document) for document in documents)


def _table_comparisons() -> Any:
    return importlib.import_module("reconciler.render.table_comparisons")
