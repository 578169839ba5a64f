"""Wildcards in paths of data: those of one part match no slash, ``**`` stands for any number of parts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase


def matches_parts(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return True if the parts of a path match those of a pattern.

    The time grows with the product of both lengths, however many ``**`` a pattern has: files in Git and names on a
    service are of others.
    """
    ends = {0}  # where what was matched so far can end
    for part in pattern:
        if part == "**":
            ends = set(range(min(ends), len(parts) + 1))
        else:
            ends = {end + 1 for end in ends if end < len(parts) and fnmatchcase(parts[end], part)}
        if not ends:
            return False
    return len(parts) in ends
