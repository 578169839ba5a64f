"""The types of the columns of CSV, inferred from all their values as they stream by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

_BOOL = pa.bool_()
_DATE = pa.date32()
_TIME = pa.timestamp("us")
# Each type, and the one that holds its values and others too; what is last holds all.
_WIDER = {
    pa.int64(): pa.float64(),
    pa.float64(): pa.string(),
    _BOOL: pa.string(),
    _DATE: _TIME,
    _TIME: pa.string(),
    pa.string(): pa.binary(),
}
_FIRST = (pa.int64(), pa.float64(), _BOOL, _DATE, _TIME, pa.string())
_LAST = pa.binary()


class ColumnTypes:
    """The narrowest type that holds all values of each column so far; empty fields are of every type."""

    def __init__(self, names: Sequence[str]) -> None:
        self._types: dict[str, pa.DataType | None] = dict.fromkeys(names)

    def add(self, batch: pa.RecordBatch) -> None:
        """Take account of more rows, whose fields are bytes."""
        for name, current in self._types.items():
            if current != _LAST:
                self._types[name] = _widen(batch.column(name), current)

    def types(self) -> dict[str, pa.DataType]:
        """Return the types; a column without any value is of the type null."""
        return {name: found or pa.null() for name, found in self._types.items()}


def narrowest_type(texts: Iterable[str | None]) -> pa.DataType | None:
    """Return the narrowest type that holds all texts; None without any."""
    return _widen(pa.array([text and text.encode() for text in texts], pa.binary()), None)


def _widen(values: pa.Array, current: pa.DataType | None) -> pa.DataType | None:
    filled = values.filter(pc.greater(pc.binary_length(values), 0))
    if not len(filled):
        return current
    candidates: Iterable[pa.DataType] = _FIRST if current is None else _chain(current)
    return next((candidate for candidate in candidates if _can_hold(filled, candidate)), _LAST)


def _chain(first: pa.DataType) -> Iterable[pa.DataType]:
    found: pa.DataType | None = first
    while found is not None:
        yield found
        found = _WIDER.get(found)


def _can_hold(values: pa.Array, candidate: pa.DataType) -> bool:
    if candidate == _LAST:
        return True
    try:
        text = values.cast(pa.string())
        if candidate == _BOOL and not _are_words(text):
            return False
        text.cast(candidate)
    except pa.ArrowInvalid:
        return False
    return True


def _are_words(text: pa.Array) -> bool:
    """Return True if all values are true or false as words: 0 and 1 are numbers."""
    words = pa.array(["true", "false"])
    return bool(pc.all(pc.is_in(pc.utf8_lower(text), value_set=words)).as_py())
