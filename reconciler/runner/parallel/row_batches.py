"""The rows of a table in mini-batches: a file for each in the folder of the step, which its workers read.

The controller reads the table once, from its beginning to its end; a worker reads the rows of its mini-batch only.
"""

from __future__ import annotations

import pickle
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .batches import MiniBatch, check_keys, name_values
from .frames import load_pandas, read_frames
from .report import INFO, Report
from .settings import Settings
from .text_tables import TableError

_DEFAULT_SIZE = 1 << 20  # bytes
_BUFFER_ROWS = 100_000  # that are divided by their keys at once
_SECONDS_BETWEEN_LINES = 10.0


def divide_rows(settings: Settings, report: Report) -> list[MiniBatch]:
    """Write the rows of the table into files, and return the mini-batches.

    Raises TableError, and errors of the libraries of the environment.
    """
    if settings.table is None:
        return []
    shutil.rmtree(settings.rows, ignore_errors=True)
    settings.rows.mkdir(parents=True)
    frames = _watched(read_frames(settings.input_path, settings.table), report)
    if settings.partition_keys:
        return _by_partition(frames, settings)
    return _by_size(frames, settings.mini_batch_size if settings.size_unit else _DEFAULT_SIZE, settings.rows)


def _watched(frames: Iterable[Any], report: Report) -> Iterator[Any]:
    """Say now and then how far the table is read."""
    rows, following = 0, time.monotonic() + _SECONDS_BETWEEN_LINES
    for frame in frames:
        yield frame
        rows += len(frame)
        if time.monotonic() > following:
            following = time.monotonic() + _SECONDS_BETWEEN_LINES
            report.write(INFO, f"reading the table: {rows} rows so far")


def _by_size(frames: Iterable[Any], size: int, folder: Path) -> list[MiniBatch]:
    """Return mini-batches of so many bytes at most, but of one row at least."""
    batches: list[MiniBatch] = []
    total = rows = 0  # of the mini-batch that is not complete
    for frame in frames:
        begin = 0
        for index, length in enumerate(_row_lengths(frame)):
            if rows and total + length > size:
                _append(_path(folder, len(batches)), frame.iloc[begin:index])
                batches.append(_of_file(folder, len(batches), rows))
                begin, total, rows = index, 0, 0
            total, rows = total + length, rows + 1
        _append(_path(folder, len(batches)), frame.iloc[begin:])
    return [*batches, _of_file(folder, len(batches), rows)] if rows else batches


def _of_file(folder: Path, number: int, rows: int) -> MiniBatch:
    return MiniBatch(number, (str(_path(folder, number)),), rows)


def _row_lengths(frame: Any) -> list[int]:
    """Return the length of each row as a line of text: of its values, and a character after each."""
    lengths = [len(frame.columns)] * len(frame)
    for position in range(len(frame.columns)):
        values = frame.iloc[:, position].tolist()
        lengths = [length + len(str(values[index])) for index, length in enumerate(lengths)]
    return lengths


def _by_partition(frames: Iterable[Any], settings: Settings) -> list[MiniBatch]:
    """Return a mini-batch for each combination of values, in the order of their first rows."""
    keys = settings.partition_keys
    counts: dict[int, int] = {}
    numbers: dict[tuple[Any, ...], int] = {}
    pandas = load_pandas()
    for frame in _buffered(frames, pandas):
        if not numbers:
            check_keys(keys, frame.columns)
        found = pandas.Series(_partition_numbers(frame, keys, numbers), index=frame.index)
        for number, rows in frame.groupby(found):
            _append(_path(settings.rows, number), rows)
            counts[number] = counts.get(number, 0) + len(rows)
    return [
        _of_file(settings.rows, number, counts[number])._replace(partition=name_values(keys, values))
        for values, number in numbers.items()
    ]


def _buffered(frames: Iterable[Any], pandas: Any) -> Iterator[Any]:
    """Yield frames together: writing a few rows of a partition takes as long as writing many."""
    buffer: list[Any] = []
    for frame in frames:
        buffer.append(frame)
        if sum(map(len, buffer)) >= _BUFFER_ROWS:
            yield pandas.concat(buffer, ignore_index=True)
            buffer = []
    if buffer:
        yield pandas.concat(buffer, ignore_index=True)


def _partition_numbers(frame: Any, keys: Iterable[str], numbers: dict[tuple[Any, ...], int]) -> list[int]:
    """Return the number of the partition of each row; those that are new are added."""
    columns = [_key_values(frame, key) for key in keys]
    try:
        return [numbers.setdefault(values, len(numbers)) for values in zip(*columns)]  # noqa: B905 - Python 3.8
    except TypeError as error:
        raise TableError("partition_keys: a column has lists or mappings, by which rows cannot be divided") from error


def _key_values(frame: Any, key: str) -> list[Any]:
    """Return the values of a column, None where one is missing; JSON lines may lack the column in some rows."""
    if key not in frame.columns:
        return [None] * len(frame)
    is_missing = frame[key].isna().tolist()
    return [None if is_missing[index] else value for index, value in enumerate(frame[key].tolist())]


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number}.pickle"


def _append(path: Path, frame: Any) -> None:
    if len(frame):
        with path.open("ab") as file:
            pickle.dump(frame, file, protocol=pickle.HIGHEST_PROTOCOL)


def read_rows(path: str) -> Any:
    """Return the rows of a mini-batch as one DataFrame."""
    frames = []
    with Path(path).open("rb") as file:
        while file.peek(1):
            frames.append(pickle.load(file))  # noqa: S301 - the controller of this step has written it
    return load_pandas().concat(frames, ignore_index=True)
