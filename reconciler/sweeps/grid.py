"""Grid sampling: every combination of the choices, the last parameter varying first."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from reconciler.model.assets import Json
from reconciler.sweeps.settings import is_distribution


def grid_size(space: Mapping[str, Json]) -> int:
    """Return the number of points of a grid."""
    return prod(_count_choice(distribution) for distribution in space.values())


def grid_point(space: Mapping[str, Json], index: int) -> dict[str, Json]:
    """Return a point of a grid by its number."""
    point: dict[str, Json] = {}
    for name in reversed(list(space)):
        index, offset = divmod(index, _count_choice(space[name]))
        point[name] = _choice_at(space[name], offset)
    return {name: point[name] for name in space}


def _count_choice(choice: Mapping[str, Json]) -> int:
    return sum(grid_size(_choices_of(value)) for value in choice["values"])


def _choice_at(choice: Mapping[str, Json], offset: int) -> Json:
    for value in choice["values"]:
        size = grid_size(inner := _choices_of(value))
        if offset < size:
            return {**value, **grid_point(inner, offset)} if isinstance(value, Mapping) else value
        offset -= size
    raise IndexError(offset)


def _choices_of(value: Json) -> dict[str, Json]:
    """Return the choices in an object that is a value of a choice; of any other value none."""
    return {key: inner for key, inner in value.items() if is_distribution(inner)} if isinstance(value, Mapping) else {}
