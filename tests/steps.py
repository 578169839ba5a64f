"""Count the steps of a function, where a test would otherwise measure time."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable


def count_steps(function: Callable[[], object]) -> int:
    """Return the number of calls of Python and C functions that a call of ``function`` makes."""
    calls = itertools.count()

    def profile(_frame: object, event: str, _value: object) -> None:
        if event in {"call", "c_call"}:
            next(calls)

    previous = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(previous)
    return next(calls)
