"""Rows of tables as batches of pyarrow: the text of `text_tables`, and Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reconciler.runner.parallel.text_tables import (
    DelimitedOptions,
    SourceFile,
    check_columns,
    read_delimited_chunks,
    read_json_chunks,
)
from reconciler.tables.values import convert_texts

_BATCH_ROWS = 1_000


def read_parquet(files: Sequence[SourceFile], path_column: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of Parquet files, with a column of their paths first if it has a name."""
    for file in files:
        with pq.ParquetFile(file.path, memory_map=False, pre_buffer=False) as source:
            check_columns(list(source.schema_arrow.names))
            is_empty = True
            for batch in source.iter_batches(_BATCH_ROWS):
                is_empty = False
                yield _with_path(batch, file, path_column)
            if is_empty:
                yield _with_path(pa.RecordBatch.from_pylist([], source.schema_arrow), file, path_column)


def read_json_lines(
    files: Sequence[SourceFile], encoding: str, path_column: str, *, drop_invalid: bool
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of files with a JSON object in each line. Raises TableError for another line, unless dropped."""
    for chunk in read_json_chunks(files, encoding, drop_invalid=drop_invalid):
        arrays = [_array([row.get(name) for row in chunk.rows]) for name in chunk.names]
        yield _with_path(pa.RecordBatch.from_arrays(arrays, list(chunk.names)), chunk.file, path_column)


def _array(values: list[Any]) -> pa.Array:
    """Return values as a column; if they are of several types, their JSON as text."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
        return pa.array(texts, pa.string())


def read_delimited(
    files: Sequence[SourceFile], options: DelimitedOptions, path_column: str
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of delimited text; a value of another type than that of its column is null."""
    for chunk in read_delimited_chunks(files, options):
        arrays = [convert_texts(texts, chunk.types[name]) for name, texts in chunk.columns.items()]
        yield _with_path(pa.RecordBatch.from_arrays(arrays, list(chunk.columns)), chunk.file, path_column)


def _with_path(batch: pa.RecordBatch, file: SourceFile, column: str) -> pa.RecordBatch:
    if not column:
        return batch
    paths = pa.array([file.name] * batch.num_rows, pa.string())
    return pa.RecordBatch.from_arrays([paths, *batch.columns], [column, *batch.schema.names])
