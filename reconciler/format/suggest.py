"""Suggestions for mistyped names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest_name(name: str, candidates: Iterable[str]) -> str:
    """Return the candidate that is most similar to a name, "" if none is similar."""
    return next(iter(difflib.get_close_matches(name, list(candidates), n=1)), "")


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return a hint with the candidate that is most similar to a name, "" if none is similar."""
    closest = closest_name(name, candidates)
    return f"did you mean {closest}?" if closest else ""
