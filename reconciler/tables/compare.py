"""Compare two tables by streams: their columns, types and rows, and in which columns values differ.

Rows are compared by their position from the beginning. If the numbers of rows differ, those before and those behind one
block of added or removed rows are compared: a column is changed only where such a block does not explain it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from reconciler.model.data_diff import Column, RowBlock, TableDiff, TypeChange, ValueChange
from reconciler.tables.batches import Table
from reconciler.tables.column_types import ColumnTypes
from reconciler.tables.limits import Deadline
from reconciler.tables.parquet_chunks import identical_columns


def compare_tables(before: Table, after: Table, deadline: Deadline) -> TableDiff:
    """Return what differs between two tables, as far as they were read before the deadline."""
    common = [name for name in before.names if name in set(after.names)]
    compared = [
        name for name in common if before.types is None or after.types is None or _has_type(before, after, name)
    ]
    identical = _identical(before, after)
    forward = _compare_forward(before, after, [name for name in compared if name not in identical], deadline)
    types = [table.types if table.types is not None else inferred for table, inferred in forward.sides(before, after)]
    rows = [forward.rows_before, forward.rows_after]
    diff = TableDiff(
        rows_before=rows[0] if before.rows is None else before.rows,
        rows_after=rows[1] if after.rows is None else after.rows,
        added=_columns(after, before, types[1]),
        removed=_columns(before, after, types[0]),
        types=tuple(
            TypeChange(name, str(types[0][name]), str(types[1][name]))
            for name in common
            if types[0][name] != types[1][name]
        ),
    )
    if not forward.is_complete:
        diff = diff._replace(rows_compared=forward.rows, not_compared=str(deadline))
        return _with_values(diff, forward.changes, compared)
    if diff.rows_before == diff.rows_after:
        return _with_values(diff, forward.changes, compared)
    return _with_block(diff, forward, before, after, compared, deadline)


def _identical(before: Table, after: Table) -> frozenset[str]:
    """Return columns that need not be read, because both files have the same bytes for them."""
    paths = before.parquet_path, after.parquet_path
    return identical_columns(*paths) if all(paths) else frozenset()


def _has_type(before: Table, after: Table, name: str) -> bool:
    return (before.types or {}).get(name) == (after.types or {}).get(name)


def _columns(table: Table, other: Table, types: dict[str, pa.DataType]) -> tuple[Column, ...]:
    names = set(other.names)
    return tuple(Column(name, str(types[name])) for name in table.names if name not in names)


class _Change(NamedTuple):
    """In how many rows a column differs (None if that cannot be said), and the first of them, counted from 0."""

    rows: int | None
    first: int


class _Forward(NamedTuple):
    """What a comparison from the beginning found."""

    changes: dict[str, _Change]
    rows: int
    rows_before: int | None
    rows_after: int | None
    is_complete: bool
    types_before: dict[str, pa.DataType]
    types_after: dict[str, pa.DataType]

    def sides(self, before: Table, after: Table) -> tuple[tuple[Table, dict[str, pa.DataType]], ...]:
        return (before, self.types_before), (after, self.types_after)


class _Side:
    """One of two tables as it is read: its batches, cut as the other's need it."""

    def __init__(self, table: Table, names: Sequence[str], skip: int = 0) -> None:
        self._inferred = ColumnTypes(table.names) if table.types is None else None
        self._batches = table.batches(list(table.names) if self._inferred else names)
        self._rest: pa.RecordBatch | None = None
        self._skip = skip
        self._read_all = bool(names) or self._inferred is not None
        self.rows = 0
        self.is_at_end = not self._read_all

    def peek(self) -> int:
        """Return how many rows are at hand, after another batch is read if there are none; 0 at the end."""
        while not self.is_at_end and (self._rest is None or not self._rest.num_rows):
            batch = next(self._batches, None)
            if batch is None:
                self.is_at_end = True
                return 0
            if self._inferred:
                self._inferred.add(batch)
            self.rows += batch.num_rows
            skipped = min(self._skip, batch.num_rows)
            self._skip -= skipped
            self._rest = batch.slice(skipped)
        return self._rest.num_rows if self._rest is not None else 0

    def take(self, rows: int) -> pa.RecordBatch:
        """Return the next rows, no more than there are at hand."""
        assert self._rest is not None  # noqa: S101 - after peek
        taken, self._rest = self._rest.slice(0, rows), self._rest.slice(rows)
        return taken

    def drain(self, deadline: Deadline) -> bool:
        """Read to the end, for the number of rows and the types; return False if the time did not suffice."""
        while self.peek():
            self._rest = None
            if deadline.has_passed:
                return False
        return True

    def types(self) -> dict[str, pa.DataType]:
        return self._inferred.types() if self._inferred else {}


def _pairs(before: _Side, after: _Side) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    while rows := min(before.peek(), after.peek()):
        yield before.take(rows), after.take(rows)


def _compare_forward(before: Table, after: Table, names: Sequence[str], deadline: Deadline) -> _Forward:
    left, right = _Side(before, names), _Side(after, names)
    changes: dict[str, _Change] = {}
    rows, is_complete = 0, True
    for one, other in _pairs(left, right):
        _add_changes(changes, names, one, other, rows)
        rows += one.num_rows
        if deadline.has_passed and (left.peek() or right.peek()):
            is_complete = False
            break
    is_complete = is_complete and _drain(left, before, deadline) and _drain(right, after, deadline)
    return _Forward(
        changes,
        rows,
        left.rows if is_complete else None,
        right.rows if is_complete else None,
        is_complete,
        left.types(),
        right.types(),
    )


def _drain(side: _Side, table: Table, deadline: Deadline) -> bool:
    return table.rows is not None or side.drain(deadline)


def _add_changes(
    changes: dict[str, _Change], names: Sequence[str], before: pa.RecordBatch, after: pa.RecordBatch, start: int
) -> None:
    for name in names:
        change = _compare_columns(_plain(before.column(name)), _plain(after.column(name)))
        if change is None:
            continue
        old = changes.get(name)
        rows = None if change.rows is None or (old and old.rows is None) else change.rows + (old.rows if old else 0)  # type: ignore[operator]
        changes[name] = _Change(rows, old.first if old else start + change.first)


def _plain(values: pa.Array) -> pa.Array:
    """Return the values of an array that is encoded by a dictionary, or of a type of its own."""
    if pa.types.is_dictionary(values.type):
        return values.dictionary_decode()
    return values.storage if isinstance(values, pa.ExtensionArray) else values


def _compare_columns(before: pa.Array, after: pa.Array) -> _Change | None:
    """Return where two columns of the same length differ; None if they are equal. Two NaN, and two nulls, are equal."""
    if before.equals(after):
        return None
    try:
        differs = pc.fill_null(pc.not_equal(before, after), pc.xor(before.is_null(), after.is_null()))
        if pa.types.is_floating(before.type):
            both_nan = pc.and_(pc.fill_null(pc.is_nan(before), False), pc.fill_null(pc.is_nan(after), False))
            differs = pc.and_not(differs, both_nan)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):  # lists, structs
        return _Change(None, _first_difference(before, after))
    rows = pc.sum(differs).as_py() or 0
    return _Change(rows, pc.index(differs, True).as_py()) if rows else None


def _first_difference(before: pa.Array, after: pa.Array) -> int:
    """Return the first row in which two arrays that are not equal differ."""
    low, high = 0, len(before)
    while high - low > 1:
        middle = (low + high) // 2
        if before.slice(low, middle - low).equals(after.slice(low, middle - low)):
            low = middle
        else:
            high = middle
    return low


def _with_values(diff: TableDiff, changes: dict[str, _Change], compared: Sequence[str]) -> TableDiff:
    values = tuple(ValueChange(name, changes[name].rows) for name in compared if name in changes)
    return diff._replace(values=values, equal=len(compared) - len(values))


def _with_block(  # noqa: PLR0913, PLR0917 - both tables, and what is known of them
    diff: TableDiff, forward: _Forward, before: Table, after: Table, names: Sequence[str], deadline: Deadline
) -> TableDiff:
    """Return a difference with the columns that a block of added or removed rows does not explain."""
    rows_before, rows_after = diff.rows_before or 0, diff.rows_after or 0
    shorter = min(rows_before, rows_after)
    surplus = rows_after - rows_before
    prefix = {name: forward.changes[name].first if name in forward.changes else shorter for name in names}
    start = min(prefix.values(), default=shorter)
    last: dict[str, int] | None = {}
    if start < shorter:
        last = _last_differences(before, after, names, start, surplus, deadline)
    if last is None:
        return diff._replace(rows_compared=start, not_compared=str(deadline))
    # Rows before the first difference from the beginning, and those behind the last one from the end: if these are all
    # rows of the shorter table, a block between them explains the column. All columns have to have the same block.
    explained = [name for name in names if last.get(name, -1) < prefix[name]]
    place = min((prefix[name] for name in explained), default=shorter)
    changed = tuple(ValueChange(name, None) for name in names if last.get(name, -1) >= min(place, prefix[name]))
    block = RowBlock(surplus, place) if len(changed) < len(names) else None
    return diff._replace(values=changed, equal=len(names) - len(changed), block=block)


def _last_differences(  # noqa: PLR0913, PLR0917 - as above
    before: Table, after: Table, names: Sequence[str], start: int, surplus: int, deadline: Deadline
) -> dict[str, int] | None:
    """Return the last row in which columns differ if both tables are aligned at their ends, by the shorter table.

    Rows before ``start`` are equal and not compared. None if the time did not suffice.
    """
    left = _Side(before, names, start + max(0, -surplus))
    right = _Side(after, names, start + max(0, surplus))
    last: dict[str, int] = {}
    row = start
    for one, other in _pairs(left, right):
        for name in names:
            found = _last_difference(_plain(one.column(name)), _plain(other.column(name)))
            if found is not None:
                last[name] = row + found
        row += one.num_rows
        if deadline.has_passed:
            return None
    return last


def _last_difference(before: pa.Array, after: pa.Array) -> int | None:
    if _compare_columns(before, after) is None:
        return None
    low, high = 0, len(before)
    while high - low > 1:
        middle = (low + high) // 2
        if _compare_columns(before.slice(middle, high - middle), after.slice(middle, high - middle)) is None:
            high = middle
        else:
            low = middle
    return low
