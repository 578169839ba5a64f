"""Retries with a randomised back-off that shrinks with every attempt, so that no writer starves."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.diagnostics import user_error

_TIMEOUT_SECONDS = 120.0
_BACKOFF_WINDOW = 8  # attempts of others in one pause: about the most writers that there may be


@dataclass(frozen=True, slots=True)
class RetryAttempts:
    """Attempts to write a resource, with a pause after each one that was lost to another writer.

    Raises UserError ``state-busy`` after two minutes.
    """

    resource: str

    def __iter__(self) -> Iterator[int]:
        """Yield the number of each attempt."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        attempt = 0
        while time.monotonic() < deadline:
            started_at = time.monotonic()
            yield attempt
            attempt += 1
            window = _BACKOFF_WINDOW * (time.monotonic() - started_at) / attempt
            time.sleep(random.uniform(0, window))  # noqa: S311 - spreads writers, no secret
        message = f"{self.resource} of the live state kept changing for {_TIMEOUT_SECONDS:.0f} s"
        raise user_error("state-busy", message, "run the command again")
