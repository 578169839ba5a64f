"""The fields of a sweep, read as Azure ML reads them: names in any case, numbers also as text, defaults filled in."""

from __future__ import annotations

import math
from collections.abc import Mapping

from reconciler.model.assets import EMPTY_MAPPING, Json, Spec

CHOICE = "choice"
DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = {
    CHOICE: ("values",),
    "uniform": ("min_value", "max_value"),
    "loguniform": ("min_value", "max_value"),
    "quniform": ("min_value", "max_value", "q"),
    "qloguniform": ("min_value", "max_value", "q"),
    "normal": ("mu", "sigma"),
    "lognormal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "qlognormal": ("mu", "sigma", "q"),
    "randint": ("upper",),
}
"""The fields of each distribution."""
SAMPLED: Mapping[str, frozenset[str]] = {
    "grid": frozenset({CHOICE}),
    "bayesian": frozenset({CHOICE, "uniform", "quniform"}),
}
"""The distributions that a sampling can do; the others can do all."""
LARGEST_EXPONENT = 600
"""More than this is not exponentiated: the result would have over 260 digits, and soon be no number of a computer."""
MAX_TRIALS = 1000
DEFAULT_TIMEOUT = 5_184_000
"""Seconds after which a sweep ends, unless it says something else."""


def read_number(value: Json) -> float:
    """Return a number, which may be given as text; whole numbers stay whole. Raise ValueError for anything else."""
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is not a number")  # noqa: TRY004 -- as for text
    return value


def read_type(value: Json) -> str:
    """Return the type of an object with a type, or a name in place of the object, in lower case without underscores."""
    if isinstance(value, Mapping):
        value = value.get("type")
    return value.lower().replace("_", "") if isinstance(value, str) else ""


def read_sampling(sweep: Spec) -> tuple[str, Mapping[str, Json]]:
    """Return how a sweep chooses points (random, sobol, grid or bayesian), and the fields that this has."""
    sampling = sweep.get("sampling_algorithm")
    fields = sampling if isinstance(sampling, Mapping) else EMPTY_MAPPING
    name = read_type(sampling) or "random"
    is_sobol = name == "random" and str(fields.get("rule") or "").lower() == "sobol"
    return ("sobol" if is_sobol else name), fields


def is_distribution(value: Json) -> bool:
    """Return True for an object that is a distribution, not a value: one whose type is that of a distribution."""
    return isinstance(value, Mapping) and read_type(value) in DISTRIBUTIONS


def read_log_base(fields: Mapping[str, Json]) -> float:
    """Return the natural logarithm of the base of logarithmic distributions: 1, unless the sampling has a logbase."""
    base = fields.get("logbase")
    return 1.0 if base is None or str(base).strip().lower() == "e" else math.log(read_number(base))


def read_limit(sweep: Spec, name: str, default: int) -> int:
    """Return a limit of a sweep as a whole number."""
    limits = sweep.get("limits")
    value = limits.get(name) if isinstance(limits, Mapping) else None
    return default if value is None else int(read_number(value))


def required_module(sweep: Spec) -> str:
    """Return the name of the module that a sweep needs besides those that mlgit is installed with; "" for none."""
    name, _ = read_sampling(sweep)
    return {"bayesian": "optuna", "sobol": "scipy"}.get(name, "")
