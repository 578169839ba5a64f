"""The limit of memory that the kernel holds a container to."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

# Of version 2, then of version 1, where no limit is a number near 2^63. A machine that is no container has neither.
_LIMIT_FILES = ("memory.max", "memory/memory.limit_in_bytes")
_UNLIMITED = 1 << 60


def find_memory_limit(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return how many bytes of memory the container may use in which this runs; None for no limit, or no container."""
    for name in _LIMIT_FILES:
        with suppress(OSError, ValueError):
            limit = int((folder / name).read_text("ascii"))
            return limit if limit < _UNLIMITED else None
    return None


def format_memory(size: int) -> str:
    """Return a number of bytes as the settings of containers count them: ``128 MiB``."""
    return f"{size / (1 << 30):.4g} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.4g} MiB"
