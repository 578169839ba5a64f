"""How long a request to GitHub is repeated: as GithubRetry does, with limits of ours."""

from __future__ import annotations

import time
from typing import Any

from github.GithubException import RateLimitExceededExceedsMaxWait
from github.GithubRetry import GithubRetry

_RETRIES = 5  # with the pauses of _BACKOFF_SECONDS, half a minute
_BACKOFF_SECONDS = 1
_MAX_WAIT_SECONDS = 300  # a job of a workflow is paid by the minute
_STATUSES = (429, *range(500, 600))
# All that mlgit sends may be sent twice: what makes something looks afterwards for what an earlier request has made.
_METHODS = frozenset({"GET", "POST", "PATCH", "DELETE"})


class BoundedRetry(GithubRetry):
    """GithubRetry for all methods, for status 429 too, and with one limit for every wait that GitHub asks for."""

    def get_retry_after(self, response: Any) -> float | None:
        """Return the seconds that GitHub asks to wait; raise RateLimitExceededExceedsMaxWait if they are too many."""
        seconds = super().get_retry_after(response)
        reset = response.headers.get("X-RateLimit-Reset", "")
        if seconds is None and response.headers.get("X-RateLimit-Remaining") == "0" and reset.isdecimal():
            seconds = max(0.0, int(reset) - time.time()) + 1
        if seconds is not None and seconds > _MAX_WAIT_SECONDS:
            raise RateLimitExceededExceedsMaxWait(response.status, None, None, None, seconds)
        return seconds


def make_retry() -> BoundedRetry:
    """Return the retry of a client."""
    return BoundedRetry(
        max_rate_limit_wait=_MAX_WAIT_SECONDS,
        total=_RETRIES,
        backoff_factor=_BACKOFF_SECONDS,
        status_forcelist=list(_STATUSES),
        allowed_methods=_METHODS,
    )
