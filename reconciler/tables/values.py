"""The types of values as mltable has them: inferred from text, and converted (`convert_column_types`)."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from reconciler.tables.column_types import narrowest_type

TEXT, INTEGER, FLOAT, BOOLEAN, DATETIME, DATE = "string", "int", "float", "boolean", "datetime", "date"
_ARROW_TYPES = {
    TEXT: pa.string(),
    INTEGER: pa.int64(),
    FLOAT: pa.float64(),
    BOOLEAN: pa.bool_(),
    DATETIME: pa.timestamp("us"),
    DATE: pa.date32(),
}
_WORDS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_INTEGER = re.compile(r"[+-]?\d{1,19}")
_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?|[+-]?(nan|inf)", re.IGNORECASE)
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?")
_INT64 = 1 << 63


def infer_type(texts: Iterable[str | None]) -> str:
    """Return the type that all texts have as mltable infers it; without any text it is text."""
    present = [text for text in texts if text is not None]
    if not present:
        return TEXT
    candidates = (BOOLEAN, INTEGER, FLOAT, DATETIME)
    return next((name for name in candidates if all(_PARSERS[name](text) is not None for text in present)), TEXT)


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


def _parse_boolean(text: str) -> bool | None:
    return _WORDS.get(text.strip().lower())


def _parse_integer(text: str) -> int | None:
    stripped = text.strip()
    number = int(stripped) if _INTEGER.fullmatch(stripped) else None
    return number if number is not None and -_INT64 <= number < _INT64 else None


def _parse_float(text: str) -> float | None:
    stripped = text.strip()
    return float(stripped) if _FLOAT.fullmatch(stripped) else None


def _parse_datetime(text: str) -> dt.datetime | None:
    stripped = text.strip()
    if not _DATETIME.fullmatch(stripped):
        return None
    try:
        return _in_utc(dt.datetime.fromisoformat(stripped))
    except (ValueError, OverflowError):
        return None


def _parse_date(text: str) -> dt.date | None:
    time = _parse_datetime(text)
    return None if time is None else time.date()


def _in_utc(time: dt.datetime) -> dt.datetime:
    """Return a time without its zone; one that has none is in UTC."""
    return time.astimezone(dt.UTC).replace(tzinfo=None) if time.tzinfo else time


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    BOOLEAN: _parse_boolean,
    INTEGER: _parse_integer,
    FLOAT: _parse_float,
    DATETIME: _parse_datetime,
    DATE: _parse_date,
    TEXT: str,
}


def convert_column(values: pa.Array, column_type: Any) -> pa.Array:
    """Return a column as another type, as ``column_type`` of a file MLTable has it; what cannot be converted is null.

    It is a name, or ``{"boolean": {"true_values", "false_values", "mismatch_as"}}``, or ``{"datetime": {"formats"}}``.
    """
    name, options = (column_type, {}) if isinstance(column_type, str) else next(iter(column_type.items()))
    convert = _CONVERTERS[name](options or {})
    return pa.array([None if value is None else convert(value) for value in values.to_pylist()], _ARROW_TYPES[name])


def _to_text(_: Any) -> Callable[[Any], str]:
    return _text_of


def _text_of(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _INT64 else str(value)
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=value.tzinfo or dt.UTC).isoformat()
    return str(value)


def _to_integer(_: Any) -> Callable[[Any], int | None]:
    return _integer_of


def _integer_of(value: Any) -> int | None:
    number = _float_of(value) if not isinstance(value, int) else value
    if number is None or (isinstance(number, float) and not math.isfinite(number)):
        return None
    return int(number) if -_INT64 <= number < _INT64 else None


def _to_float(_: Any) -> Callable[[Any], float | None]:
    return _float_of


def _float_of(value: Any) -> float | None:
    if isinstance(value, str):
        return _parse_float(value)
    return float(value) if isinstance(value, bool | int | float) else None


def _to_boolean(options: Mapping[str, Any]) -> Callable[[Any], bool | None]:
    true_values, false_values = options.get("true_values"), options.get("false_values")
    words = _WORDS
    if true_values is not None or false_values is not None:
        words = {**dict.fromkeys(true_values or (), True), **dict.fromkeys(false_values or (), False)}
    mismatch = {"true": True, "false": False}.get(options.get("mismatch_as", "error"))

    def convert(value: Any) -> bool | None:
        if isinstance(value, int | float):
            return bool(value)
        return words.get(value if words is not _WORDS else str(value).lower(), mismatch)

    return convert


def _to_datetime(options: Mapping[str, Any]) -> Callable[[Any], dt.datetime | None]:
    formats = options.get("formats", ())
    tried = [formats] if isinstance(formats, str) else formats

    def convert(value: Any) -> dt.datetime | None:
        if isinstance(value, dt.datetime):
            return value
        for form in tried:
            try:
                return _in_utc(dt.datetime.strptime(str(value), form))  # noqa: DTZ007 - without a zone it is UTC
            except ValueError:
                continue
        return None

    return convert


_CONVERTERS: Mapping[str, Callable[[Any], Callable[[Any], Any]]] = {
    TEXT: _to_text,
    INTEGER: _to_integer,
    FLOAT: _to_float,
    BOOLEAN: _to_boolean,
    DATETIME: _to_datetime,
}
