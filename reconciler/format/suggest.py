"""The nearest known name to a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest_name(name: str, known: Iterable[str]) -> str:
    """Return the known name that is closest to another, "" where none is close."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the known name that is closest to a mistyped one, or nothing."""
    close = closest_name(name, known)
    return f"did you mean {close}?" if close else ""
