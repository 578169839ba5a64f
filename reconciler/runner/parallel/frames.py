"""The rows of a table of MLTable as DataFrames, a part at a time; what the standard library lacks is the job's own.

The packages are loaded by name from the environment of the job: pandas, pyarrow for Parquet, and mltable for what this
does not do, which reads the whole table at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from .partitions import parse_partition_format
from .settings import Table
from .text_tables import (
    SourceFile,
    TableError,
    column_names,
    conversion_types,
    delimited_options,
    find_encoding,
    find_path_column,
    read_delimited_chunks,
    read_json_chunks,
)
from .text_types import PARSERS, find_converter

EXTRACT = "extract_columns_from_partition_format"
_BATCH_ROWS = 10_000  # of Parquet


class Part(NamedTuple):
    """Some rows of one file of a table as a DataFrame; ``path`` is from the folder of the table."""

    path: str
    frame: Any


def read_frames(folder: str, table: Table) -> Iterator[Any]:
    """Yield the rows of a table as DataFrames. Raises TableError, and errors of the libraries."""
    pandas = load_pandas()
    if table.needs_mltable:
        yield _load_module("mltable", table.needs_mltable).load(folder).to_pandas_dataframe()
        return
    files = [SourceFile(f"{folder}/{path}", path, path.lower().endswith(".gz")) for path in table.files]
    (reader, arguments), *steps = table.steps
    parts: Iterator[Part] = _READERS[reader](pandas, files, arguments or {})
    for name, step_arguments in steps:
        parts = _STEPS[name](pandas, parts, step_arguments)
    for part in parts:
        if len(part.frame):
            yield part.frame


def load_pandas() -> ModuleType:
    """Return the pandas of the job's environment. Raises TableError if it has none."""
    return _load_module("pandas", "run() gets the rows of a table as a DataFrame of pandas")


def _load_module(name: str, reason: str) -> ModuleType:
    """Return a package of the job's environment. Raises TableError if it has none of this name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise TableError(f"the environment has no {name}; add it to its packages: {reason}") from error


def _read_delimited(pandas: Any, files: Sequence[SourceFile], arguments: Mapping[str, Any]) -> Iterator[Part]:
    options = delimited_options(arguments)
    for chunk in read_delimited_chunks(files, options):
        if not any(chunk.columns.values()):
            continue
        columns = {}
        for name, texts in chunk.columns.items():
            parse = PARSERS[chunk.types[name]]
            columns[name] = pandas.Series([None if text is None else parse(text) for text in texts])
        frame = _converted(pandas, pandas.DataFrame(columns), conversion_types(options.conversions))
        yield _with_path(frame, chunk.file, arguments)


def _read_parquet(_: Any, files: Sequence[SourceFile], arguments: Mapping[str, Any]) -> Iterator[Part]:
    _load_module("pyarrow", "it reads the Parquet files of a table")
    parquet = importlib.import_module("pyarrow.parquet")
    for file in files:
        with open(file.path, "rb") as stream:  # noqa: PTH123 - a path as text
            for batch in parquet.ParquetFile(stream).iter_batches(_BATCH_ROWS):
                yield _with_path(batch.to_pandas(), file, arguments)


def _read_json_lines(pandas: Any, files: Sequence[SourceFile], arguments: Mapping[str, Any]) -> Iterator[Part]:
    drop = arguments.get("invalid_lines", "error") == "drop"
    for chunk in read_json_chunks(files, find_encoding(arguments), drop_invalid=drop):
        columns = {name: pandas.Series([row.get(name) for row in chunk.rows]) for name in chunk.names}
        yield _with_path(pandas.DataFrame(columns), chunk.file, arguments)


_READERS: Mapping[str, Callable[[Any, Sequence[SourceFile], Mapping[str, Any]], Iterator[Part]]] = {
    "read_delimited": _read_delimited,
    "read_parquet": _read_parquet,
    "read_json_lines": _read_json_lines,
}


def _with_path(frame: Any, file: SourceFile, arguments: Mapping[str, Any]) -> Part:
    column = find_path_column(arguments)
    if column:
        frame.insert(0, column, file.name, allow_duplicates=True)
    return Part(file.name, frame)


def _take(_: Any, parts: Iterator[Part], count: int) -> Iterator[Part]:
    left = count
    for part in parts:
        yield part._replace(frame=part.frame.iloc[:left])
        left -= len(part.frame)
        if left <= 0:
            return


def _skip(_: Any, parts: Iterator[Part], count: int) -> Iterator[Part]:
    left = count
    for part in parts:
        skipped = min(left, len(part.frame))
        left -= skipped
        yield part._replace(frame=part.frame.iloc[skipped:])


def _keep(_: Any, parts: Iterator[Part], columns: Any) -> Iterator[Part]:
    kept = set(column_names(columns))
    for part in parts:
        yield part._replace(frame=part.frame[[name for name in part.frame.columns if name in kept]])


def _drop(_: Any, parts: Iterator[Part], columns: Any) -> Iterator[Part]:
    dropped = set(column_names(columns))
    for part in parts:
        yield part._replace(frame=part.frame[[name for name in part.frame.columns if name not in dropped]])


def _convert(pandas: Any, parts: Iterator[Part], conversions: Any) -> Iterator[Part]:
    types = conversion_types(conversions)
    for part in parts:
        yield part._replace(frame=_converted(pandas, part.frame, types))


def _converted(pandas: Any, frame: Any, types: Mapping[str, Any]) -> Any:
    for name, column_type in types.items():
        if name in frame.columns:
            _, convert = find_converter(column_type)
            is_missing = frame[name].isna().tolist()
            values = frame[name].tolist()
            converted = [None if is_missing[index] else convert(value) for index, value in enumerate(values)]
            frame = frame.assign(**{name: pandas.Series(converted, index=frame.index)})
    return frame


def _extract(_: Any, parts: Iterator[Part], arguments: Mapping[str, Any]) -> Iterator[Part]:
    partition_format = parse_partition_format(arguments)
    for part in parts:
        yield part._replace(frame=part.frame.assign(**partition_format.extract(part.path)))


_STEPS: Mapping[str, Callable[[Any, Iterator[Part], Any], Iterator[Part]]] = {
    "take": _take,
    "skip": _skip,
    "keep_columns": _keep,
    "drop_columns": _drop,
    "convert_column_types": _convert,
    EXTRACT: _extract,
}
