"""The transformations of a file MLTable, on streams of record batches."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from reconciler.runner.parallel.text_tables import (
    PATH_COLUMN,
    SourceFile,
    TableError,
    column_names,
    conversion_types,
    delimited_options,
    find_encoding,
    find_path_column,
)
from reconciler.tables.limits import Deadline
from reconciler.tables.rows import read_delimited, read_json_lines, read_parquet
from reconciler.tables.values import convert_column

_Batches = Iterator[pa.RecordBatch]


def apply_steps(files: Sequence[SourceFile], steps: Sequence[Any], deadline: Deadline) -> _Batches:
    """Return the rows that steps make of files: pairs of a name and its arguments, as `format.mltables` has them.

    Without a step that reads, the table is the paths of the files. Raises TableError.
    """
    batches = _watched(_read(files, steps), deadline)
    for name, arguments in steps:
        if name not in _READERS:
            batches = _STEPS[name](batches, arguments)
    return batches


def _watched(batches: _Batches, deadline: Deadline) -> _Batches:
    for batch in batches:
        yield batch
        if deadline.has_passed:
            raise TableError(str(deadline))


def _read(files: Sequence[SourceFile], steps: Sequence[Any]) -> _Batches:
    for name, arguments in steps:
        if name in _READERS:
            return _READERS[name](files, arguments or {})
    paths = pa.array([file.name for file in files], pa.string())
    return iter([pa.RecordBatch.from_arrays([paths], [PATH_COLUMN])])


def _delimited(files: Sequence[SourceFile], arguments: Mapping[str, Any]) -> _Batches:
    options = delimited_options(arguments)
    return _converted(read_delimited(files, options, find_path_column(arguments)), options.conversions)


def _parquet(files: Sequence[SourceFile], arguments: Mapping[str, Any]) -> _Batches:
    return read_parquet(files, find_path_column(arguments))


def _json_lines(files: Sequence[SourceFile], arguments: Mapping[str, Any]) -> _Batches:
    drop = arguments.get("invalid_lines", "error") == "drop"
    return read_json_lines(files, find_encoding(arguments), find_path_column(arguments), drop_invalid=drop)


_READERS: Mapping[str, Callable[[Sequence[SourceFile], Mapping[str, Any]], _Batches]] = {
    "read_delimited": _delimited,
    "read_parquet": _parquet,
    "read_json_lines": _json_lines,
}


def _take(batches: _Batches, count: int) -> _Batches:
    left = count
    for batch in batches:
        yield batch.slice(0, left)
        left -= batch.num_rows
        if left <= 0:
            return


def _skip(batches: _Batches, count: int) -> _Batches:
    left = count
    for batch in batches:
        skipped = min(left, batch.num_rows)
        left -= skipped
        yield batch.slice(skipped)


def _keep(batches: _Batches, columns: Any) -> _Batches:
    kept = set(column_names(columns))
    for batch in batches:
        yield batch.select([name for name in batch.schema.names if name in kept])


def _drop(batches: _Batches, columns: Any) -> _Batches:
    dropped = set(column_names(columns))
    for batch in batches:
        yield batch.select([name for name in batch.schema.names if name not in dropped])


def _converted(batches: _Batches, conversions: Any) -> _Batches:
    types = conversion_types(conversions)
    for batch in batches:
        names = batch.schema.names
        columns = [
            convert_column(column, types[name]) if name in types else column
            for name, column in zip(names, batch.columns, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, names)


def _filter(batches: _Batches, expression: Any) -> _Batches:
    for batch in batches:
        try:
            mask = _evaluate(expression, batch)
            yield batch.filter(mask) if isinstance(mask, pa.Array) else batch.slice(0, batch.num_rows if mask else 0)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
            types = ", ".join(f"{name} is {batch.schema.field(name).type}" for name in _columns_of(expression))
            raise TableError(f"the filter does not fit the types of its columns: {types}") from error


def _columns_of(expression: Any) -> Iterator[str]:
    if isinstance(expression, list):
        if expression[:1] == ["col"]:
            yield expression[1]
        else:
            for item in expression:
                yield from _columns_of(item)


def _evaluate(expression: Any, batch: pa.RecordBatch) -> Any:
    match expression:
        case ["col", name]:
            if name not in batch.schema.names:
                raise TableError(f"the filter has a column {name} that the table does not have")
            return batch.column(name)
        case ["value", value]:
            return pa.scalar(value)
        case ["datetime", parts]:
            return pa.scalar(dt.datetime(*parts), pa.timestamp("us"))  # noqa: DTZ001 - times are in UTC
        case ["not", item]:
            return pc.invert(_evaluate(item, batch))
        case ["and" | "or" as operator, [first, *others]]:
            result = _evaluate(first, batch)
            for other in others:
                result = _BOOLEAN[operator](result, _evaluate(other, batch))
            return result
        case [operator, left, right]:
            return _OPERATORS[operator](_evaluate(left, batch), _evaluate(right, batch))
    raise TableError("the filter cannot be evaluated")


_BOOLEAN: Mapping[str, Callable[[Any, Any], Any]] = {"and": pc.and_kleene, "or": pc.or_kleene}
_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
    "+": pc.add,
    "-": pc.subtract,
    "*": pc.multiply,
    "/": pc.divide,
}
_STEPS: Mapping[str, Callable[[_Batches, Any], _Batches]] = {
    "take": _take,
    "skip": _skip,
    "keep_columns": _keep,
    "drop_columns": _drop,
    "convert_column_types": _converted,
    "filter": _filter,
}
