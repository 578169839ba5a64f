"""The forms of tables, by the name of a file."""

from __future__ import annotations

from typing import NamedTuple

CSV, PARQUET, JSON_LINES = "csv", "parquet", "jsonl"
_GZIP = ".gz"
_SUFFIXES = {
    ".csv": (CSV, ","),
    ".tsv": (CSV, "\t"),
    ".parquet": (PARQUET, ""),
    ".pqt": (PARQUET, ""),
    ".jsonl": (JSON_LINES, ""),
    ".ndjson": (JSON_LINES, ""),
}


class TableFormat(NamedTuple):
    """How the bytes of a table are read: ``csv``, ``parquet`` or ``jsonl``; the delimiter of CSV; whether zipped."""

    form: str
    delimiter: str = ""
    is_gzip: bool = False


def table_format(name: str) -> TableFormat | None:
    """Return how a file of that name is read as a table; None if its name says that it is none."""
    lower = name.lower()
    is_gzip = lower.endswith(_GZIP)
    plain = lower.removesuffix(_GZIP)
    for suffix, (form, delimiter) in _SUFFIXES.items():
        if plain.endswith(suffix) and not (is_gzip and form == PARQUET):
            return TableFormat(form, delimiter, is_gzip)
    return None
