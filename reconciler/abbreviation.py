"""Short forms for a person: ids by their first digits, lists by their first items, counts, durations."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ABBREVIATED_LENGTH = 10
_MAX_WORD_LENGTH, _MAX_TEXT_LENGTH = 300, 3000
_KILO, _UNITS = 1000, ("bytes", "kB", "MB", "GB", "TB")
_SHORT_SECONDS = 9.95  # which is shown as 10 s


def abbreviate_id(oid: str) -> str:
    """Return the first digits of a commit or a digest, enough to name it."""
    return oid[:_ABBREVIATED_LENGTH]


def abbreviate_text(text: str) -> str:
    """Return a message without the middle of a word that is too long, such as a name, and of all of it if it is long.

    Secrets have to be masked before: a part of one is not recognized any more.
    """
    if len(text) <= _MAX_WORD_LENGTH:
        return text
    words = re.sub(rf"\S{{{_MAX_WORD_LENGTH + 1},}}", lambda word: cut_middle(word[0], _MAX_WORD_LENGTH), text)
    return cut_middle(words, _MAX_TEXT_LENGTH)


def cut_middle(text: str, limit: int) -> str:
    """Return text without its middle if it is longer than a limit."""
    half = limit // 2
    return text if len(text) <= limit else f"{text[:half]}...{text[-half:]}"


def join_some(items: Sequence[str], limit: int = 3, separator: str = ", ") -> str:
    """Join the first items and count the others: ``a, b, c and 4 more``."""
    others = f" and {len(items) - limit} more" if len(items) > limit else ""
    return separator.join(items[:limit]) + others


def pluralize(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 change``, ``2 changes``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def format_duration(seconds: float) -> str:
    """Return a duration in its largest whole unit: ``20 seconds``, ``3 hours``."""
    units = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
    size, noun = next((unit for unit in units if seconds >= unit[0]), units[-1])
    return pluralize(int(seconds // size), noun)


def format_size(size: int) -> str:
    """Return a number of bytes in a unit that a person reads: ``4 bytes``, ``1.2 kB``, ``3.4 GB``."""
    if size < _KILO:
        return pluralize(size, "byte")
    amount, unit = float(size), 0
    while amount >= _KILO - 0.05 and unit < len(_UNITS) - 1:  # what rounds to 1000.0 is one of the next unit
        amount, unit = amount / _KILO, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}"


def format_elapsed(seconds: float) -> str:
    """Return how long something took: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 07 min``."""
    if 0 < seconds < _SHORT_SECONDS and seconds % 1:
        return f"{seconds:.1f} s"
    whole = max(0, int(seconds))
    minutes, hours = whole // 60, whole // 3600
    if hours:
        return f"{hours} h {minutes % 60:02} min"
    return f"{minutes} min {whole % 60:02} s" if minutes else f"{whole} s"
