"""Writers that contend for one ref take turns: whoever has waited longest tries most eagerly, so nobody starves."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.diagnostics import user_error

_TIMEOUT_SECONDS = 120.0
_BACKOFF_WINDOW = 8  # tries' time: how many writers there may well be


@dataclass(frozen=True, slots=True)
class RetryAttempts:
    """Tries, with a pause between them that shrinks with every try that was lost; ``what`` is contended for.

    Raises UserError ``state-busy`` after two minutes.
    """

    resource: str

    def __iter__(self) -> Iterator[int]:
        """Yield the number of each try."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        attempt = 0
        while time.monotonic() < deadline:
            began = time.monotonic()
            yield attempt
            attempt += 1
            window = _BACKOFF_WINDOW * (time.monotonic() - began) / attempt
            time.sleep(random.uniform(0, window))  # noqa: S311 - spreads writers, no secret
        message = f"{self.resource} of the live state kept changing for {_TIMEOUT_SECONDS:.0f} s"
        raise user_error("state-busy", message, "run the command again")
