"""The time of day, as records keep it; apart from what acts, so that asking about the past loads nothing of that."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_timestamp(precision: str = "seconds") -> str:
    """Return the time of day: UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
