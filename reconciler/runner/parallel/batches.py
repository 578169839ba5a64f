"""The files of an input, in the order of their paths, and the mini-batches of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from .settings import BYTES


class MiniBatch(NamedTuple):
    """Files that one call of run() gets; ``number`` is its place in the order of the input, from 0."""

    number: int
    items: tuple[str, ...]


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
