"""Render what differs in the tables of data that a plan registers, in the words of `mlgit diff`."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.abbreviation import pluralize
from reconciler.model import Json, TableComparison, parse_address
from reconciler.render.data_diff import change_lines, file_change_from_json, file_change_to_json


def comparison_to_json(comparison: TableComparison) -> Json:
    """Return what differs in the tables of one version as an event has it; what is empty is left out."""
    return {
        "data": str(comparison.address),
        "files": list(map(file_change_to_json, comparison.tables)),
        **({"others": comparison.others} if comparison.others else {}),
        **({"command": comparison.command} if comparison.command else {}),
        **({"hint": comparison.hint} if comparison.hint else {}),
    }


def comparison_from_json(document: Json) -> TableComparison:
    """Return the comparison of a valid document."""
    return TableComparison(
        parse_address(document["data"]),
        tuple(map(file_change_from_json, document["files"])),
        document.get("others", 0),
        document.get("command", ""),
        document.get("hint", ""),
    )


def comparison_lines(comparison: TableComparison) -> Iterator[str]:
    """Yield what differs in the tables of one version, a line for each thing."""
    yield from change_lines(comparison.tables)
    if comparison.others:
        yield f"and {pluralize(comparison.others, 'other table')}, not compared"
    if comparison.hint:
        yield f"tables not compared: {comparison.hint}"
    if comparison.command:
        yield f"`{comparison.command}` compares more once the version is registered"
