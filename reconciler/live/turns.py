"""Writers that contend for one ref take turns: whoever has waited longest tries most eagerly, so nobody starves."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.diagnostics import failure

_SECONDS = 120.0
_WINDOW = 8  # tries' time: how many writers there may well be


@dataclass(frozen=True, slots=True)
class Turns:
    """Tries, with a pause between them that shrinks with every try that was lost; ``what`` is contended for.

    Raises UserError ``state-busy`` after two minutes.
    """

    what: str

    def __iter__(self) -> Iterator[int]:
        """Yield the number of each try."""
        deadline = time.monotonic() + _SECONDS
        attempt = 0
        while time.monotonic() < deadline:
            began = time.monotonic()
            yield attempt
            attempt += 1
            window = _WINDOW * (time.monotonic() - began) / attempt
            time.sleep(random.uniform(0, window))  # noqa: S311 - spreads writers, no secret
        message = f"{self.what} of the live state kept changing for {_SECONDS:.0f} s"
        raise failure("state-busy", message, "run the command again")
