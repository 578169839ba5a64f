"""Which columns of two Parquet files have the same bytes: they are equal without being read as values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.parquet as pq

_READ = 1 << 20
_SAME = ("physical_type", "compression", "encodings", "num_values", "total_compressed_size", "has_dictionary_page")


def identical_columns(before: str, after: str) -> frozenset[str]:
    """Return the columns, of one leaf each, whose chunks have the same bytes in all row groups of two files.

    That is so only for files with the same row groups, as the same program writes them.
    """
    with pq.ParquetFile(before) as old, pq.ParquetFile(after) as new:
        if _row_counts(old.metadata) != _row_counts(new.metadata) or not old.schema_arrow.equals(new.schema_arrow):
            return frozenset()
        names = set(old.schema_arrow.names)
        chunks = {
            index: list(zip(_chunks(old.metadata, index), _chunks(new.metadata, index), strict=True))
            for index in range(old.metadata.num_columns)
        }
    with Path(before).open("rb") as one, Path(after).open("rb") as other:
        return frozenset(
            pairs[0][0].path_in_schema
            for pairs in chunks.values()
            if pairs and pairs[0][0].path_in_schema in names and all(_is_same(one, other, *pair) for pair in pairs)
        )


def _row_counts(metadata: Any) -> list[int]:
    return [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]


def _chunks(metadata: Any, column: int) -> Iterator[Any]:
    return (metadata.row_group(index).column(column) for index in range(metadata.num_row_groups))


def _is_same(one: BinaryIO, other: BinaryIO, before: Any, after: Any) -> bool:
    if any(getattr(before, name) != getattr(after, name) for name in _SAME):
        return False
    one.seek(_start(before))
    other.seek(_start(after))
    left = before.total_compressed_size
    while left > 0:
        data = one.read(min(left, _READ))
        if not data or data != other.read(len(data)):
            return False
        left -= len(data)
    return True


def _start(chunk: Any) -> int:
    return int(chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset)
