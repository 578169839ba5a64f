"""The fields of a sweep, read as Azure ML reads them: names in any case, numbers also as text, defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.assets import EMPTY_MAPPING, Json, Spec

MAX_TRIALS = 1000
DEFAULT_TIMEOUT = 5_184_000
"""Seconds after which a sweep ends, unless it says something else."""


def read_number(value: Json) -> float:
    """Return a number, which may be given as text; whole numbers stay whole. Raise ValueError or TypeError."""
    if isinstance(value, str):
        text = value.strip()
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
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


def read_limit(sweep: Spec, name: str, default: int) -> int:
    """Return a limit of a sweep as a whole number."""
    limits = sweep.get("limits")
    value = limits.get(name) if isinstance(limits, Mapping) else None
    return default if value is None else int(read_number(value))


def required_module(sweep: Spec) -> str:
    """Return the name of the module that a sweep needs besides those that mlgit is installed with; "" for none."""
    name, _ = read_sampling(sweep)
    return {"bayesian": "optuna", "sobol": "scipy"}.get(name, "")
