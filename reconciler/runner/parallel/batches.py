"""The files of an input, in the order of their paths, and the mini-batches of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .frames import EXTRACT
from .partitions import parse_partition_format
from .settings import BYTES, Settings, Table
from .text_tables import TableError

_MAX_COLUMNS = 20  # in a message


class MiniBatch(NamedTuple):
    """What one call of run() gets; ``number`` is its place in the order of the input, from 0.

    ``items`` are files, or one file with ``rows`` of a table. ``partition`` are the values of the partition keys that
    all of it has, None for a mini-batch of a size.
    """

    number: int
    items: tuple[str, ...]
    rows: int = 0
    partition: Mapping[str, Any] | None = None

    @property
    def size(self) -> int:
        """How many results run() has to return at least: one for each item, or for the partition."""
        return 1 if self.partition is not None else self.rows or len(self.items)

    def to_message(self) -> dict[str, Any]:
        """Return what a worker gets of it."""
        partition = {} if self.partition is None else {"partition": self.partition}
        return {"batch": self.number, "items": self.items, "rows": self.rows, **partition}

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> MiniBatch:
        """Return the mini-batch of a message."""
        return cls(message["batch"], tuple(message["items"]), message.get("rows", 0), message.get("partition"))


def divide_files(settings: Settings) -> list[MiniBatch]:
    """Return the mini-batches of the files of the input; raises TableError for partition keys that it lacks."""
    if settings.table is not None and settings.partition_keys:
        return _by_partition(settings.input_path, settings.table, settings.partition_keys)
    items = list_items(settings.input_path) if settings.table is None else _table_files(settings)
    return make_batches(items, settings.mini_batch_size, settings.size_unit)


def _table_files(settings: Settings) -> list[str]:
    return [f"{settings.input_path}/{path}" for path in (settings.table.files if settings.table else ())]


def _by_partition(folder: str, table: Table, keys: Iterable[str]) -> list[MiniBatch]:
    """Return a mini-batch for each combination of values, in the order of their first files."""
    formats = [parse_partition_format(arguments) for name, arguments in table.steps if name == EXTRACT]
    known = [name for partition_format in formats for name in partition_format.columns]
    check_keys(keys, known)
    groups: dict[tuple[Any, ...], list[str]] = {}
    for path in table.files:
        values = {name: value for item in formats for name, value in item.extract(path).items()}
        groups.setdefault(tuple(values[key] for key in keys), []).append(f"{folder}/{path}")
    return [
        MiniBatch(number, tuple(files), partition=name_values(keys, values))
        for number, (values, files) in enumerate(groups.items())
    ]


def check_keys(keys: Iterable[str], columns: Iterable[str]) -> None:
    """Raise TableError for partition keys that are no columns of a table."""
    known = list(columns)
    missing = [key for key in keys if key not in known]
    if missing:
        columns_text = ", ".join(map(str, known[:_MAX_COLUMNS])) or "none"
        raise TableError(f"partition_keys: the table has no column {', '.join(missing)}; its columns: {columns_text}")


def name_values(keys: Iterable[str], values: Iterable[Any]) -> dict[str, Any]:
    """Return the values of partition keys as JSON can have them; what it cannot, such as a time, is a text."""
    return {
        key: value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
        for key, value in zip(keys, values)  # noqa: B905 - Python 3.8 has no strict
    }


def list_items(path: str) -> list[str]:
    """Return the files of an input: itself, or all below a folder, in the order of their paths."""
    if not Path(path).is_dir():
        return [path]
    found = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
    return [str(file) for file in sorted(found, key=lambda file: file.parts)]


def make_batches(items: Iterable[str], size: int, unit: str) -> list[MiniBatch]:
    """Return mini-batches of so many files, or of so many bytes at most, but of one file at least."""
    groups = _by_bytes(items, size) if unit == BYTES else _by_count(items, size)
    return [MiniBatch(number, tuple(group)) for number, group in enumerate(groups)]


def _by_count(items: Iterable[str], size: int) -> Iterator[list[str]]:
    group: list[str] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _by_bytes(items: Iterable[str], size: int) -> Iterator[list[str]]:
    group: list[str] = []
    total = 0
    for item in items:
        length = Path(item).stat().st_size
        if group and total + length > size:
            yield group
            group, total = [], 0
        group.append(item)
        total += length
    if group:
        yield group
