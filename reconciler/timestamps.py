"""Time stamps as records, commits and events have them: UTC, ISO 8601, with a Z."""

from __future__ import annotations

from datetime import UTC, date, datetime


def utc_timestamp(precision: str = "seconds") -> str:
    """Return the current time; ``precision`` is "seconds" or "milliseconds"."""
    return format_timestamp(datetime.now(UTC), precision)


def format_timestamp(time: datetime, precision: str = "seconds") -> str:
    """Return the time stamp of a time in any time zone."""
    return time.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def parse_timestamp(timestamp: str) -> datetime:
    """Return the time of a time stamp in any time zone, such as Git's; raises ValueError."""
    return datetime.fromisoformat(timestamp)


def seconds_between(start: str, end: str) -> float | None:
    """Return the seconds between two time stamps; None if one is missing or damaged, or they are in disorder."""
    try:
        seconds = (parse_timestamp(end) - parse_timestamp(start)).total_seconds()
    except (ValueError, TypeError):  # TypeError: one of them has no time zone
        return None
    return seconds if seconds >= 0 else None


def utc_date() -> str:
    """Return the current day, such as 2026-12-31."""
    return utc_timestamp()[:10]


def is_date(text: str) -> bool:
    """Return True if there is a day of this name; it has the form 2026-12-31."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
