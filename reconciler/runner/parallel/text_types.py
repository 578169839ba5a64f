"""The types of values in tables of text as the package mltable has them: inferred, and converted.

Python 3.8 is enough, as for all of this package; mlgit itself reads tables by it, too.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

TEXT, INTEGER, FLOAT, BOOLEAN, DATETIME = "string", "int", "float", "boolean", "datetime"
_UTC = dt.timezone.utc  # noqa: UP017 - Python 3.8 has no dt.UTC
_WORDS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_INTEGER = re.compile(r"[+-]?\d{1,19}")
_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?|[+-]?(nan|inf)", re.IGNORECASE)
_DATETIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_INT64 = 1 << 63


def infer_type(texts: Iterable[str | None]) -> str:
    """Return the type that all texts have as mltable infers it; without any text it is text."""
    present = [text for text in texts if text is not None]
    if not present:
        return TEXT
    candidates = (BOOLEAN, INTEGER, FLOAT, DATETIME)
    return next((name for name in candidates if all(PARSERS[name](text) is not None for text in present)), TEXT)


def _parse_boolean(text: str) -> bool | None:
    return _WORDS.get(text.strip().lower())


def _parse_integer(text: str) -> int | None:
    stripped = text.strip()
    number = int(stripped) if _INTEGER.fullmatch(stripped) else None
    return number if number is not None and -_INT64 <= number < _INT64 else None


def _parse_float(text: str) -> float | None:
    stripped = text.strip()
    return float(stripped) if _FLOAT.fullmatch(stripped) else None


def parse_datetime(text: str) -> dt.datetime | None:
    """Return a time in UTC without its zone; None for a text that is none."""
    match = _DATETIME.fullmatch(text.strip())
    if match is None:
        return None
    *numbers, fraction, zone = match.groups()
    parts = [int(number or 0) for number in numbers]
    try:
        return _in_utc(dt.datetime(*parts, int((fraction or "").ljust(6, "0")), tzinfo=_parse_zone(zone)))  # type: ignore[misc,arg-type]
    except (ValueError, OverflowError):
        return None


def _parse_zone(text: str | None) -> dt.timezone:
    if text is None or text == "Z":
        return _UTC
    offset = dt.timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return dt.timezone(-offset if text[0] == "-" else offset)


def _in_utc(time: dt.datetime) -> dt.datetime:
    """Return a time without its zone; one that has none is in UTC."""
    return time.astimezone(_UTC).replace(tzinfo=None) if time.tzinfo else time


PARSERS: Mapping[str, Callable[[str], Any]] = {
    BOOLEAN: _parse_boolean,
    INTEGER: _parse_integer,
    FLOAT: _parse_float,
    DATETIME: parse_datetime,
    TEXT: str,
}
"""What makes a value of a text, by the type; None for a text that is none of it."""


def find_converter(column_type: Any) -> tuple[str, Callable[[Any], Any]]:
    """Return the name of a type, and what makes a value of it; None is what cannot be converted.

    ``column_type`` is as a file MLTable has it: a name, or ``{"boolean": {"true_values", "false_values",
    "mismatch_as"}}``, or ``{"datetime": {"formats"}}``.
    """
    name, options = (column_type, {}) if isinstance(column_type, str) else next(iter(column_type.items()))
    return name, _CONVERTERS[name](options or {})


def _to_text(_: Any) -> Callable[[Any], str]:
    return _text_of


def _text_of(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _INT64 else str(value)
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=value.tzinfo or _UTC).isoformat()
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
    return float(value) if isinstance(value, (bool, int, float)) else None


def _to_boolean(options: Mapping[str, Any]) -> Callable[[Any], bool | None]:
    true_values, false_values = options.get("true_values"), options.get("false_values")
    words = _WORDS
    if true_values is not None or false_values is not None:
        words = {**dict.fromkeys(true_values or (), True), **dict.fromkeys(false_values or (), False)}
    mismatch = {"true": True, "false": False}.get(options.get("mismatch_as", "error"))

    def convert(value: Any) -> bool | None:
        if isinstance(value, (int, float)):
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
