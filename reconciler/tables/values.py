"""The types of values as mltable has them (`text_types`), and where versions are compared, as columns of pyarrow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from reconciler.runner.parallel.text_types import (
    BOOLEAN,
    DATETIME,
    FLOAT,
    INTEGER,
    PARSERS,
    TEXT,
    find_converter,
    parse_datetime,
)
from reconciler.tables.column_types import narrowest_type

_DATE = "date"
_ARROW_TYPES = {
    TEXT: pa.string(),
    INTEGER: pa.int64(),
    FLOAT: pa.float64(),
    BOOLEAN: pa.bool_(),
    DATETIME: pa.timestamp("us"),
    _DATE: pa.date32(),
}


def infer_compared_type(texts: Iterable[str | None]) -> str:
    """Return the type that all texts have as it is inferred where versions are compared: 0 and 1 are numbers."""
    present = [text for text in texts if text]
    found = narrowest_type(present)
    name = next((name for name, arrow_type in _ARROW_TYPES.items() if arrow_type == found), TEXT)
    return name if all(_PARSERS[name](text) is not None for text in present) else TEXT


def convert_texts(texts: Sequence[str | None], name: str) -> pa.Array:
    """Return texts as a column of a type; a text that is none of it is null."""
    parse = _PARSERS[name]
    return pa.array([None if text is None else parse(text) for text in texts], _ARROW_TYPES[name])


def _parse_date(text: str) -> dt.date | None:
    time = parse_datetime(text)
    return None if time is None else time.date()


_PARSERS: Mapping[str, Callable[[str], Any]] = {**PARSERS, _DATE: _parse_date}


def convert_column(values: pa.Array, column_type: Any) -> pa.Array:
    """Return a column as another type, as a file MLTable has it; what cannot be converted is null."""
    name, convert = find_converter(column_type)
    return pa.array([None if value is None else convert(value) for value in values.to_pylist()], _ARROW_TYPES[name])
