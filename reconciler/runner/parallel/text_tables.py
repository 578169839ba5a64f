"""Tables of text as the package mltable reads them: delimited text, and lines of JSON. One chunk is in memory.

Python 3.8 is enough, as for all of this package; mlgit itself reads tables by it, too.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from .text_types import TEXT, infer_type

MAX_LINE = 16 << 20
"""Bytes of one line of text, with all its fields."""
_CHUNK_ROWS = 1_000
_MAX_FIELD = 1 << 20
_MAX_COLUMNS = 10_000
_SAMPLE_ROWS = 200  # as mltable has it
PATH_COLUMN = "Path"
_BOM = b"\xef\xbb\xbf"
NO_HEADER, FROM_FIRST, DIFFERENT, SAME = (
    *("no_header", "from_first_file"),
    *("all_files_different_headers", "all_files_same_headers"),
)
# The encodings of mltable, as Python has them.
_ENCODINGS = {"utf8": "utf-8-sig", "utf8bom": "utf-8-sig", "iso88591": "latin-1", "windows1252": "cp1252"}


class TableError(Exception):
    """A table cannot be read, or not within the limits; its text says why, on one line."""


class SourceFile(NamedTuple):
    """A file of a table: where it is, and what the column of paths has of it."""

    path: str
    name: str
    is_gzip: bool = False


class DelimitedOptions(NamedTuple):
    """How delimited text is read; the defaults are those of mltable.

    ``infer`` returns the type of a column by the texts of its first rows; if it is None, all columns are text.
    ``conversions`` are column types that are given, and so not inferred.
    """

    delimiter: str = ","
    header: str = SAME
    encoding: str = "utf-8"
    infer: Callable[[Iterable[str | None]], str] | None = infer_type
    sample_rows: int = _SAMPLE_ROWS
    empty_as_string: bool = False
    support_multi_line: bool = False
    conversions: Sequence[Any] = ()


class TextChunk(NamedTuple):
    """Some rows of a file: the texts of each column, None where there is none, and the types of all columns."""

    file: SourceFile
    columns: Mapping[str, Sequence[str | None]]
    types: Mapping[str, str]


class JsonChunk(NamedTuple):
    """Some rows of a file as objects of JSON, and the names of all their columns."""

    file: SourceFile
    names: Sequence[str]
    rows: Sequence[Mapping[str, Any]]


def delimited_options(arguments: Mapping[str, Any]) -> DelimitedOptions:
    """Return how ``read_delimited`` of a file MLTable reads, by its arguments."""
    inference = arguments.get("infer_column_types", True)
    details = inference if isinstance(inference, dict) else {}
    delimiter = str(arguments.get("delimiter", ","))
    defaults = DelimitedOptions()
    return DelimitedOptions(
        delimiter="\t" if delimiter == "\\t" else delimiter,
        header=arguments.get("header", defaults.header),
        encoding=find_encoding(arguments),
        infer=None if inference is False else infer_type,
        sample_rows=details.get("sample_size", defaults.sample_rows),
        empty_as_string=arguments.get("empty_as_string", False),
        support_multi_line=arguments.get("support_multi_line", False),
        conversions=details.get("column_type_overrides", ()),
    )


def find_encoding(arguments: Mapping[str, Any]) -> str:
    """Return the encoding that the arguments of a step that reads name, as Python has it."""
    name = str(arguments.get("encoding", "utf8")).lower().replace("-", "").replace(" ", "")
    return _ENCODINGS.get(name, name)


def find_path_column(arguments: Mapping[str, Any]) -> str:
    """Return the name of the column of paths that a step that reads adds, "" if it adds none."""
    column = arguments.get("path_column")
    return str(column) if column else PATH_COLUMN if arguments.get("include_path_column") else ""


def column_names(columns: Any) -> list[str]:
    """Return the columns that a step names: one, or several."""
    return [columns] if isinstance(columns, str) else list(columns)


def conversion_types(conversions: Iterable[Any]) -> dict[str, Any]:
    """Return the types that ``convert_column_types`` gives columns, by their names."""
    return {name: item["column_type"] for item in conversions for name in column_names(item["columns"])}


def read_delimited_chunks(files: Sequence[SourceFile], options: DelimitedOptions) -> Iterator[TextChunk]:
    """Yield the rows of delimited text. Types are inferred from the first rows. Raises TableError."""
    csv.field_size_limit(_MAX_FIELD)
    types = dict.fromkeys(conversion_types(options.conversions), TEXT)
    sample: list[_Records] = []
    count = 0
    for chunk in _record_chunks(files, options):
        sample.append(chunk)
        count += len(chunk.records)
        if count >= options.sample_rows:
            yield from _typed_chunks(sample, options, types)
            sample = []
    yield from _typed_chunks(sample, options, types)


class _Records(NamedTuple):
    """Some records of a file, and the names of their fields."""

    file: SourceFile
    names: list[str]
    records: list[list[str]]


def _record_chunks(files: Sequence[SourceFile], options: DelimitedOptions) -> Iterator[_Records]:
    names: list[str] = []
    for index, file in enumerate(files):
        records = _records(file, options)
        if options.header != NO_HEADER and (index == 0 or options.header != FROM_FIRST):
            header = unique_names(check_columns(next(records, [])))
            names = header if index == 0 or options.header == DIFFERENT else names
        if index == 0:
            yield _Records(file, names, [])  # there are columns without any record too
        while chunk := list(itertools.islice(records, _CHUNK_ROWS)):
            names = _extend_names(names, chunk)
            yield _Records(file, names, chunk)


def _extend_names(names: list[str], chunk: Iterable[list[str]]) -> list[str]:
    longest = max(map(len, chunk))
    numbers = range(len(names) + 1, longest + 1)
    return check_columns(unique_names([*names, *(f"Column{number}" for number in numbers)]))


def _typed_chunks(chunks: Sequence[_Records], options: DelimitedOptions, types: dict[str, str]) -> Iterator[TextChunk]:
    """Yield chunks with types; those of columns that are new are inferred from these chunks, and kept."""
    columns = [_columns(chunk, options) for chunk in chunks]
    for name in dict.fromkeys(name for texts in columns for name in texts):
        if name not in types:
            sample = itertools.chain.from_iterable(texts.get(name, ()) for texts in columns)
            first = itertools.islice(sample, options.sample_rows)
            types[name] = options.infer(first) if options.infer else TEXT
    for index, chunk in enumerate(chunks):
        yield TextChunk(chunk.file, columns[index], types)


def _columns(chunk: _Records, options: DelimitedOptions) -> dict[str, list[str | None]]:
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


def read_json_chunks(files: Sequence[SourceFile], encoding: str, *, drop_invalid: bool) -> Iterator[JsonChunk]:
    """Yield the rows of files with a JSON object in each line. Raises TableError for another line, unless dropped."""
    for file in files:
        parsed = _json_rows(file, encoding, drop_invalid=drop_invalid)
        while rows := list(itertools.islice(parsed, _CHUNK_ROWS)):
            names = check_columns(list(dict.fromkeys(name for row in rows for name in row)))
            yield JsonChunk(file, names, rows)


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


def _open_text(file: SourceFile) -> BinaryIO:
    """Return the bytes of a file, unzipped as they are read, without a byte order mark."""
    opened: Any = gzip.open(file.path, "rb") if file.is_gzip else open(file.path, "rb", buffering=0)  # noqa: PTH123, SIM115 - a path as text; who reads the lines closes it
    stream: Any = io.BufferedReader(opened, 1 << 20)
    if stream.peek(len(_BOM)).startswith(_BOM):
        stream.read(len(_BOM))
    return stream  # type: ignore[no-any-return]


def _lines(file: SourceFile, encoding: str) -> Iterator[str]:
    try:
        with io.TextIOWrapper(_open_text(file), encoding, newline="") as text:
            for number in itertools.count(1):
                line = text.readline(MAX_LINE + 1)
                if not line:
                    return
                if len(line) > MAX_LINE:
                    raise TableError(f"{_in_file(file)}line {number} has more than {MAX_LINE >> 20} MiB")
                yield line
    except UnicodeError as error:
        name = encoding.replace("-sig", "")
        raise TableError(f"{_in_file(file)}its text is not {name}") from error
    except (zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise TableError(f"{_in_file(file)}it is not zipped, or damaged: {error}") from error


def _in_file(file: SourceFile) -> str:
    return f"{file.name}: " if file.name else ""


def check_columns(names: list[str]) -> list[str]:
    """Return the names of columns. Raises TableError if there are too many."""
    if len(names) > _MAX_COLUMNS:
        raise TableError(f"it has more than {_MAX_COLUMNS} columns")
    return names


def unique_names(names: list[str]) -> list[str]:
    """Return names of columns, those that occur again with ``.1``, ``.2`` ... after them, as pandas has it."""
    seen: set[str] = set()
    numbers: dict[str, int] = {}  # the last one behind each name: looking for it from 0 takes long for many
    unique = []
    for name in names:
        candidate = name
        while candidate in seen:
            numbers[name] = numbers.get(name, 0) + 1
            candidate = f"{name}.{numbers[name]}"
        seen.add(candidate)
        unique.append(candidate)
    return unique
