"""Random sampling, and that by a Sobol sequence, which fills the space evenly.

The quantiles of a point follow from a seed and its number alone: the same on every machine and for every Python.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping

from reconciler.model.assets import Json
from reconciler.sweeps.spaces import Quantile, distribution_names

_SEED_BITS = 32
_QUANTILE_BITS = 53  # those of a number between 0 and 1


def hash_bits(text: str, bits: int) -> int:
    """Return the first bits of the SHA-256 of a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()) >> (256 - bits)


def seed_of(token: str, index: int | None = None) -> int:
    """Return the seed of a sweep, or of one of its trials."""
    return hash_bits(f"{token}/{'' if index is None else index}", _SEED_BITS)


def random_quantiles(_space: Mapping[str, Json], index: int, seed: str) -> Quantile:
    """Return the quantiles of the random point of a number."""
    return lambda name: hash_bits(f"{seed}/{index}/{name}", _QUANTILE_BITS) / 2**_QUANTILE_BITS


def sobol_quantiles(space: Mapping[str, Json], index: int, seed: str) -> Quantile:
    """Return the quantiles of the point of a number of a scrambled Sobol sequence."""
    names = list(distribution_names(space))
    sequence = importlib.import_module("scipy.stats.qmc").Sobol(len(names), scramble=True, rng=seed_of(seed))
    if index:
        sequence.fast_forward(index)
    return dict(zip(names, map(float, sequence.random(1)[0]), strict=True)).__getitem__
