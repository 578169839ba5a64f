"""The first rows of a table, as values that JSON can have."""

from __future__ import annotations

import base64
import datetime as dt
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from reconciler.abbreviation import cut_middle
from reconciler.runner.parallel.text_tables import DelimitedOptions, SourceFile, TableError
from reconciler.tables.formats import CSV, PARQUET, TableFormat
from reconciler.tables.limits import Deadline
from reconciler.tables.rows import read_delimited, read_json_lines, read_parquet
from reconciler.tables.transformations import apply_steps
from reconciler.tables.values import infer_compared_type

_MAX_TEXT = 10_000  # characters of one value
_MAX_ITEMS = 1_000  # of a list in a cell


def head_of_file(path: str, form: TableFormat, rows: int, deadline: Deadline) -> Any:
    """Return the first rows of a file that is a table: its columns with their types, and the rows as lists."""
    files = [SourceFile(path, "", form.is_gzip)]
    if form.form == PARQUET:
        batches = read_parquet(files, "")
    elif form.form == CSV:
        options = DelimitedOptions(delimiter=form.delimiter, infer=infer_compared_type, support_multi_line=True)
        batches = read_delimited(files, options, "")
    else:
        batches = read_json_lines(files, "utf-8", "", drop_invalid=False)
    return _head(batches, rows, deadline)


def head_of_mltable(table: Any, rows: int, deadline: Deadline) -> Any:
    """Return the first rows of the table that a file MLTable defines; see `head_of_file`."""
    files = [SourceFile(*file) for file in table["files"]]
    return _head(apply_steps(files, table["steps"], deadline), rows, deadline)


def _head(batches: Iterator[pa.RecordBatch], rows: int, deadline: Deadline) -> Any:
    taken: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        taken.append(batch.slice(0, rows + 1 - count))
        count += taken[-1].num_rows
        if count > rows:
            break
        if deadline.has_passed:
            raise TableError(str(deadline))
    table = _concatenate(taken)
    columns = [{"name": field.name, "type": str(field.type)} for field in table.schema]
    values = [[_plain(value) for value in column.to_pylist()] for column in table.slice(0, rows).columns]
    return {"columns": columns, "rows": [list(row) for row in zip(*values, strict=True)], "more": count > rows}


def _concatenate(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """Return batches as one table: columns that some lack are null in these, and of mixed types are text."""
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    if not tables:
        return pa.table({})
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        names = list(dict.fromkeys(name for table in tables for name in table.column_names))
        return pa.table({name: _as_text(tables, name) for name in names})


def _as_text(tables: Sequence[pa.Table], name: str) -> pa.Array:
    columns = [table.column(name) if name in table.column_names else pa.nulls(table.num_rows) for table in tables]
    try:
        return pa.concat_tables([pa.table({name: column}) for column in columns], promote_options="permissive").column(
            name
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        values = [value for column in columns for value in column.to_pylist()]
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _plain(value: Any) -> Any:
    """Return a value as JSON can have it, without the middle of what is too long."""
    match value:
        case None | bool() | int():
            return value
        case list():
            return [_plain(item) for item in value[:_MAX_ITEMS]]
        case dict():
            return {str(key): _plain(item) for key, item in list(value.items())[:_MAX_ITEMS]}
        case float() if math.isfinite(value) or math.isnan(value):
            return None if math.isnan(value) else value
        case _:
            return cut_middle(_text(value), _MAX_TEXT)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value[:_MAX_TEXT]).decode("ascii")
    return value.isoformat() if isinstance(value, dt.datetime | dt.date | dt.time) else str(value)
