"""The distributions of a search space, as Azure ML defines them.

A distribution makes a value from a quantile, a number between 0 and 1. Each has a name of its own: that of its
parameter, and for one inside an object of a choice also the index of the object and the key, ``optimizer.1.momentum``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from statistics import NormalDist

from reconciler.model.assets import Json
from reconciler.sweeps.settings import (
    CHOICE,
    DISTRIBUTIONS,
    LARGEST_EXPONENT,
    is_distribution,
    read_number,
    read_type,
)

Quantile = Callable[[str], float]
"""The quantile for the name of a distribution, from 0 (included) to 1 (excluded)."""

_STANDARD_NORMAL = NormalDist()
_SMALLEST_QUANTILE = 2.0**-54


def draw_point(space: Mapping[str, Json], quantile: Quantile, log_base: float = 1.0) -> dict[str, Json]:
    """Return a value for each parameter of a search space; ``log_base`` is the natural logarithm of the base."""
    return {name: _draw_value(name, distribution, quantile, log_base) for name, distribution in space.items()}


def _draw_value(name: str, distribution: Mapping[str, Json], quantile: Quantile, log_base: float) -> Json:
    """Return the value of a distribution at its quantile; an object of a choice draws its own distributions too."""
    if read_type(distribution) != CHOICE:
        return number_at(distribution, quantile(name), log_base)
    values = distribution["values"]
    index = int(quantile(name) * len(values))
    return fill_choice(
        values[index], lambda key, inner: _draw_value(choice_name(name, index, key), inner, quantile, log_base)
    )


def choice_name(name: str, index: int, key: str) -> str:
    """Return the name of a distribution at a key of a value of a choice."""
    return f"{name}.{index}.{key}"


def fill_choice(value: Json, fill: Callable[[str, Mapping[str, Json]], Json]) -> Json:
    """Return a value of a choice with ``fill(key, distribution)`` in place of the distributions in it."""
    if not isinstance(value, Mapping):
        return value
    return {key: fill(key, inner) if is_distribution(inner) else inner for key, inner in value.items()}


def number_at(distribution: Mapping[str, Json], quantile: float, log_base: float = 1.0) -> float:
    """Return the number of a distribution, which is no choice, at a quantile."""
    kind = read_type(distribution)
    if kind == "randint":
        return int(quantile * read_number(distribution["upper"]))
    first, second, *step = (read_number(distribution[field]) for field in DISTRIBUTIONS[kind])
    if kind.endswith("normal"):
        normal = _STANDARD_NORMAL.inv_cdf(max(quantile, _SMALLEST_QUANTILE))
        number = first + second * normal
    else:
        number = first + quantile * (second - first)
    if "log" in kind:
        number = math.exp(min(number * log_base, LARGEST_EXPONENT))
    return round(number / step[0]) * step[0] if step else number


def distribution_names(space: Mapping[str, Json]) -> Iterator[str]:
    """Yield the name of every distribution of a search space, those inside choices after their choice."""
    for name, distribution in space.items():
        yield from _names_of(name, distribution)


def _names_of(name: str, distribution: Mapping[str, Json]) -> Iterator[str]:
    yield name
    if read_type(distribution) == CHOICE:
        for index, value in enumerate(distribution["values"]):
            for key, inner in value.items() if isinstance(value, Mapping) else ():
                if is_distribution(inner):
                    yield from _names_of(choice_name(name, index, key), inner)
