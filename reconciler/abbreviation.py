"""How long things are abbreviated for a person: ids to their first digits, lists to their first items."""

from __future__ import annotations

from collections.abc import Sequence

_ABBREVIATED_LENGTH = 10


def abbreviate_id(oid: str) -> str:
    """Return the first digits of a commit or a digest, enough to name it."""
    return oid[:_ABBREVIATED_LENGTH]


def join_some(items: Sequence[str], limit: int = 3, separator: str = ", ") -> str:
    """Join the first items and count the others: ``a, b, c and 4 more``."""
    others = f" and {len(items) - limit} more" if len(items) > limit else ""
    return separator.join(items[:limit]) + others
