"""Tables as streams of record batches, whatever their form: one batch at a time is in memory.

CSV gives the bytes of its fields, so that equal means equal; their types are inferred beside (`column_types`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from reconciler.runner.parallel.text_tables import MAX_LINE, TableError, check_columns, unique_names
from reconciler.tables.formats import CSV, PARQUET, TableFormat
from reconciler.tables.limits import Deadline

_BATCH_ROWS = 65_536
_CHUNK = 4 << 20  # bytes of JSON that are parsed at once
_BLOCK = 1 << 20  # bytes of CSV; a row has to be within two
_BOM = b"\xef\xbb\xbf"
_ENCODING = "utf-8"
NOT_UTF_8 = "its text is not UTF-8"


class Table(Protocol):
    """A table that is read from its beginning as often as asked for."""

    @property
    def names(self) -> Sequence[str]:
        """The names of its columns."""
        ...

    @property
    def types(self) -> dict[str, pa.DataType] | None:
        """The types of its columns; None if they are known only when it was read."""
        ...

    @property
    def parquet_path(self) -> str:
        """Where it is if it is Parquet, else ""."""
        ...

    @property
    def rows(self) -> int | None:
        """How many rows it has; None if that is known only when it was read."""
        ...

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield some of its columns, as many rows as are convenient at once."""
        ...


def open_table(path: str, form: TableFormat, deadline: Deadline) -> Table:
    """Return the table in a file. Raises TableError, and errors of pyarrow, if it cannot be read."""
    if form.form == PARQUET:
        return _ParquetTable(path)
    if form.form == CSV:
        return _CsvTable(path, form, _read_header(path, form))
    return _JsonLinesTable(path, form, _infer_schema(path, form, deadline))


def open_text(path: str, *, is_gzip: bool) -> BinaryIO:
    """Return the bytes of a file, unzipped as they are read, without a byte order mark."""
    source = pa.OSFile(path, "rb")
    stream = io.BufferedReader(pa.CompressedInputStream(source, "gzip") if is_gzip else source, 1 << 20)
    if stream.peek(len(_BOM)).startswith(_BOM):
        stream.read(len(_BOM))
    return stream


class _ParquetTable:
    def __init__(self, path: str) -> None:
        self.parquet_path = path
        with self._open() as file:
            self._schema, self.rows = file.schema_arrow, file.metadata.num_rows
        self.names: Sequence[str] = check_columns(list(self._schema.names))
        if len(set(self.names)) < len(self.names):
            raise TableError("two of its columns have the same name")

    def _open(self) -> pq.ParquetFile:
        return pq.ParquetFile(self.parquet_path, memory_map=False, pre_buffer=False)

    @property
    def types(self) -> dict[str, pa.DataType] | None:
        return dict(zip(self._schema.names, self._schema.types, strict=True))

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = set(names)
        with self._open() as file:
            # `columns` of pyarrow takes a name with a dot for a path: indices are exact.
            indices = [index for index, name in enumerate(self.names) if name in wanted]
            if len(indices) == len(self.names):
                yield from file.iter_batches(_BATCH_ROWS)
            else:
                for batch in file.iter_batches(_BATCH_ROWS, columns=[self.names[index] for index in indices]):
                    yield batch.select([name for name in self.names if name in wanted])


class _CsvTable:
    parquet_path = ""
    types = None
    rows = None

    def __init__(self, path: str, form: TableFormat, names: list[str]) -> None:
        self._path, self._form, self.names = path, form, names

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        if not self.names:
            return
        stream = open_text(self._path, is_gzip=self._form.is_gzip)
        stream.readline(MAX_LINE)
        if not stream.peek(1):  # type: ignore[attr-defined]
            return  # pyarrow calls a file of no rows an error
        try:
            yield from self._rows(stream, names)
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error):
                raise
            raise TableError(f"a row has more than {_BLOCK >> 20} MiB") from error

    def _rows(self, stream: BinaryIO, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        yield from pa_csv.open_csv(
            stream,
            read_options=pa_csv.ReadOptions(column_names=list(self.names), block_size=_BLOCK, use_threads=False),
            parse_options=pa_csv.ParseOptions(delimiter=self._form.delimiter, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(self.names, pa.binary()),
                include_columns=list(names),
                check_utf8=False,
                strings_can_be_null=False,
            ),
        )


def _read_header(path: str, form: TableFormat) -> list[str]:
    line = read_line(open_text(path, is_gzip=form.is_gzip))
    try:
        text = line.decode(_ENCODING).rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise TableError(NOT_UTF_8) from error
    if "\0" in text:  # UTF-16 or UTF-32 without a mark
        raise TableError(NOT_UTF_8)
    try:
        (fields,) = csv.reader([text], delimiter=form.delimiter, strict=True) if text else ([],)
    except (csv.Error, ValueError) as error:
        raise TableError("its first line is no line of CSV with the names of columns") from error
    return unique_names(check_columns(fields))


def read_line(stream: BinaryIO) -> bytes:
    """Return the next line with its end. Raises TableError if it is too long."""
    line = stream.readline(MAX_LINE + 1)
    if len(line) > MAX_LINE:
        raise TableError(f"a line has more than {MAX_LINE >> 20} MiB")
    return line


class _JsonLinesTable:
    parquet_path = ""

    def __init__(self, path: str, form: TableFormat, found: _Inferred) -> None:
        self._path, self._form, self._schema, self.rows = path, form, found.schema, found.rows
        self.names: Sequence[str] = check_columns(list(found.schema.names))

    @property
    def types(self) -> dict[str, pa.DataType] | None:
        return dict(zip(self._schema.names, self._schema.types, strict=True))

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        options = pa_json.ParseOptions(explicit_schema=self._schema, unexpected_field_behavior="ignore")
        for chunk in _json_chunks(self._path, self._form):
            yield from _parse_json(chunk, options).select(list(names)).combine_chunks().to_batches()


class _Inferred(NamedTuple):
    """The columns of JSON lines, and how many rows they have."""

    schema: pa.Schema
    rows: int


def _infer_schema(path: str, form: TableFormat, deadline: Deadline) -> _Inferred:
    schema, rows = pa.schema([]), 0
    for chunk in _json_chunks(path, form):
        table = _parse_json(chunk, pa_json.ParseOptions())
        rows += table.num_rows
        try:
            schema = pa.unify_schemas([schema, table.schema], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise TableError(f"a column has values of two types: {error}") from error
        if deadline.has_passed:
            raise TableError(str(deadline))
    return _Inferred(schema, rows)


def _json_chunks(path: str, form: TableFormat) -> Iterator[bytes]:
    """Yield the text of JSON lines in pieces that end with a line."""
    stream = open_text(path, is_gzip=form.is_gzip)
    while chunk := stream.read(_CHUNK):
        end = b"" if chunk.endswith(b"\n") else read_line(stream)
        text = chunk + end
        if b"\0" in text:  # JSON writes it as \\u0000
            raise TableError(NOT_UTF_8)
        if text.strip():
            yield text


def _parse_json(chunk: bytes, options: pa_json.ParseOptions) -> pa.Table:
    return pa_json.read_json(
        io.BytesIO(chunk),
        read_options=pa_json.ReadOptions(use_threads=False, block_size=len(chunk) + 1),
        parse_options=options,
    )
