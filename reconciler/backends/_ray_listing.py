"""The jobs of a Ray cluster as it listed them last, so that it is not asked for each look at a run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.backends._ray_api import RayApi

# Ray lists all jobs that it ever had, in a millisecond or more for each of them: with so many times as long until the
# next list, those who wait for runs take a tenth of the time of its dashboard.
_PAUSE = 9.0
_MAX_SECONDS = 2.0
_ACTIVE = ("PENDING", "RUNNING")


class RecentJobs:
    """What Ray said of its jobs; it counts for a moment, for jobs that were active then."""

    def __init__(self) -> None:
        self._jobs: dict[str, Mapping[str, Any]] = {}
        self._valid_until = 0.0

    def read(self, api: RayApi, tokens: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return those jobs that there are of some ids; all are listed anew if one is not known to be active.

        Raises UserError ``backend-unreachable``.
        """
        wanted, began = tuple(tokens), time.monotonic()
        if began < self._valid_until and all(self._is_active(token) for token in wanted):
            return self._jobs
        listed = api.list_jobs()
        ended = time.monotonic()
        self._jobs = {token: listed[token] for token in wanted if token in listed}  # others may have much to say
        self._valid_until = ended + min(_PAUSE * (ended - began), _MAX_SECONDS)
        return self._jobs

    def add(self, token: str) -> None:
        """Note that a job was submitted."""
        self._jobs.setdefault(token, {"status": "PENDING"})

    def expire(self) -> None:
        """List the jobs anew when they are read next."""
        self._valid_until = 0.0

    def _is_active(self, token: str) -> bool:
        return self._jobs.get(token, {}).get("status") in _ACTIVE
