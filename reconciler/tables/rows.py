"""Read files row by row as a file MLTable says it, as streams of record batches.

How CSV and JSON lines are read, and which types are inferred, is that of mltable 1.7, found by comparing the results
(tests/tables/mltable_reference.json).
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from reconciler.tables.batches import open_text
from reconciler.tables.limits import MAX_LINE, TableError, check_columns, unique_names
from reconciler.tables.values import TEXT, convert_texts, infer_type

_BATCH_ROWS = 1_000
_MAX_FIELD = 1 << 20
_SAMPLE_ROWS = 200  # as mltable has it
NO_HEADER, FROM_FIRST, DIFFERENT, SAME = (
    *("no_header", "from_first_file"),
    *("all_files_different_headers", "all_files_same_headers"),
)


class SourceFile(NamedTuple):
    """A file of a table: where it is, and what the column of paths has of it."""

    path: str
    name: str
    is_gzip: bool = False


class DelimitedOptions(NamedTuple):
    """How delimited text is read; the defaults are those of mltable.

    ``infer`` returns the type of a column by the texts of its first rows; if it is None, all columns are text.
    """

    delimiter: str = ","
    header: str = SAME
    encoding: str = "utf-8"
    infer: Callable[[Iterable[str | None]], str] | None = infer_type
    sample_rows: int = _SAMPLE_ROWS
    empty_as_string: bool = False
    support_multi_line: bool = False


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
    for file in files:
        parsed = _json_rows(file, encoding, drop_invalid=drop_invalid)
        while rows := list(itertools.islice(parsed, _BATCH_ROWS)):
            names = check_columns(list(dict.fromkeys(name for row in rows for name in row)))
            arrays = [_array([row.get(name) for row in rows]) for name in names]
            yield _with_path(pa.RecordBatch.from_arrays(arrays, names), file, path_column)


def _json_rows(file: SourceFile, encoding: str, *, drop_invalid: bool) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_lines(file, encoding), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            row = str(error)
        if isinstance(row, dict):
            yield row
        elif not drop_invalid:
            raise TableError(f"{_in_file(file)}line {number} is no JSON object")


def _array(values: list[Any]) -> pa.Array:
    """Return values as a column; if they are of several types, their JSON as text."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
        return pa.array(texts, pa.string())


def read_delimited(
    files: Sequence[SourceFile], options: DelimitedOptions, path_column: str, text_columns: Iterable[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of delimited text. Types are inferred from the first rows; a value of another type is null.

    The types of ``text_columns`` are not inferred.
    """
    csv.field_size_limit(_MAX_FIELD)
    types = dict.fromkeys(text_columns, TEXT)
    sample: list[_Chunk] = []
    count = 0
    for chunk in _chunks(files, options):
        sample.append(chunk)
        count += len(chunk.records)
        if count >= options.sample_rows:
            yield from _typed_batches(sample, options, types, path_column)
            sample = []
    yield from _typed_batches(sample, options, types, path_column)


class _Chunk(NamedTuple):
    """Some records of a file, and the names of their fields."""

    file: SourceFile
    names: list[str]
    records: list[list[str]]


def _chunks(files: Sequence[SourceFile], options: DelimitedOptions) -> Iterator[_Chunk]:
    names: list[str] = []
    for index, file in enumerate(files):
        records = _records(file, options)
        if options.header != NO_HEADER and (index == 0 or options.header != FROM_FIRST):
            header = unique_names(check_columns(next(records, [])))
            names = header if index == 0 or options.header == DIFFERENT else names
        if index == 0:
            yield _Chunk(file, names, [])  # there are columns without any record too
        while chunk := list(itertools.islice(records, _BATCH_ROWS)):
            names = _extend_names(names, chunk)
            yield _Chunk(file, names, chunk)


def _extend_names(names: list[str], chunk: Iterable[list[str]]) -> list[str]:
    longest = max(map(len, chunk))
    numbers = range(len(names) + 1, longest + 1)
    return check_columns(unique_names([*names, *(f"Column{number}" for number in numbers)]))


def _typed_batches(
    chunks: Sequence[_Chunk], options: DelimitedOptions, types: dict[str, str], path_column: str
) -> Iterator[pa.RecordBatch]:
    """Yield chunks as batches; the types of columns that are new are inferred from these chunks, and kept."""
    columns = [_columns(chunk, options) for chunk in chunks]
    for name in dict.fromkeys(name for texts in columns for name in texts):
        if name not in types:
            sample = itertools.chain.from_iterable(texts.get(name, ()) for texts in columns)
            first = itertools.islice(sample, options.sample_rows)
            types[name] = options.infer(first) if options.infer else TEXT
    for chunk, texts in zip(chunks, columns, strict=True):
        arrays = [convert_texts(values, types[name]) for name, values in texts.items()]
        yield _with_path(pa.RecordBatch.from_arrays(arrays, list(texts)), chunk.file, path_column)


def _columns(chunk: _Chunk, options: DelimitedOptions) -> dict[str, list[str | None]]:
    """Return the texts of each column, None where there is none."""
    columns: dict[str, list[str | None]] = {}
    for index, name in enumerate(chunk.names):
        texts = [record[index] if index < len(record) else None for record in chunk.records]
        columns[name] = texts if options.empty_as_string else [text or None for text in texts]
    return columns


def _records(file: SourceFile, options: DelimitedOptions) -> Iterator[list[str]]:
    lines = _lines(file, options.encoding)
    records = _whole_records(file, lines, options) if options.support_multi_line else _line_records(lines, options)
    return (record for record in records if record)


def _line_records(lines: Iterable[str], options: DelimitedOptions) -> Iterator[list[str]]:
    """Yield a record for each line: a quote that is not closed in its line is a character as any other."""
    for line in lines:
        text = line.rstrip("\r\n")
        try:
            yield from csv.reader([text], delimiter=options.delimiter, strict=True)
        except csv.Error:
            yield text.split(options.delimiter)


def _whole_records(file: SourceFile, lines: Iterable[str], options: DelimitedOptions) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter=options.delimiter)
    try:
        yield from reader
    except csv.Error as error:
        raise TableError(f"{_in_file(file)}line {reader.line_num}: {error}") from error


def _lines(file: SourceFile, encoding: str) -> Iterator[str]:
    text = io.TextIOWrapper(open_text(file.path, is_gzip=file.is_gzip), encoding, newline="")
    try:
        for number in itertools.count(1):
            line = text.readline(MAX_LINE + 1)
            if not line:
                return
            if len(line) > MAX_LINE:
                raise TableError(f"{_in_file(file)}line {number} has more than {MAX_LINE >> 20} MiB")
            yield line
    except UnicodeError as error:
        raise TableError(f"{_in_file(file)}its text is not {encoding.removesuffix('-sig')}") from error


def _in_file(file: SourceFile) -> str:
    return f"{file.name}: " if file.name else ""


def _with_path(batch: pa.RecordBatch, file: SourceFile, column: str) -> pa.RecordBatch:
    if not column:
        return batch
    paths = pa.array([file.name] * batch.num_rows, pa.string())
    return pa.RecordBatch.from_arrays([paths, *batch.columns], [column, *batch.schema.names])
