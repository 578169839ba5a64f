"""What run() returned for each mini-batch: a file for each, and all of them together in the order of the input."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def count_results(result: Any) -> int:
    """Return how many results a call of run() has returned; raises TypeError for what is no list of results."""
    if isinstance(result, (str, bytes, dict)) or not hasattr(result, "__len__"):
        raise TypeError(f"run() has to return a list, a tuple or a DataFrame; it returned {_describe(result)}")
    return len(result)


def _describe(result: Any) -> str:
    return "None" if result is None else f"a {type(result).__name__}"


def write_part(folder: Path, number: int, result: Any) -> None:
    """Write the results of a mini-batch: a line for each, and the rows of a DataFrame without their header.

    The file has its name once it is complete, so that a worker can be killed at any time.
    """
    path = part_path(folder, number)
    temporary = path.with_suffix(f".{os.getpid()}")
    if hasattr(result, "to_csv") and hasattr(result, "columns"):
        result.to_csv(temporary, sep=" ", header=False, index=False)
    else:
        with temporary.open("w", encoding="utf-8") as file:
            file.writelines(f"{item}\n" for item in result)
    temporary.replace(path)


def part_path(folder: Path, number: int) -> Path:
    """Return the file with the results of a mini-batch."""
    return folder / f"{number}.part"


def join_parts(folder: Path, numbers: Iterable[int], target: Path) -> None:
    """Write the results of mini-batches into one file, in the order that is given."""
    target.parent.mkdir(parents=True, exist_ok=True)
    os.listdir(folder)  # noqa: PTH208 - a network disk looks up again what other machines have written
    with target.open("wb") as file:
        for number in numbers:
            with part_path(folder, number).open("rb") as part:
                shutil.copyfileobj(part, file)
