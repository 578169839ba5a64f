"""Numbers of files, which YAML may have as text."""

from __future__ import annotations

import math

from reconciler.model.assets import Json


def as_number(value: Json) -> float | None:
    """Return a value as a finite number; None if it is not one, as a number or as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
