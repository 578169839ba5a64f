"""When a holder's last sign of life was seen here: by that, and by no clock of the holder's, its lease runs out.

Kept in a file, so that one command sees what an earlier one saw. Time is counted since the machine was started, which
nobody sets back; after a restart it is counted anew.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.model import Json

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True, slots=True)
class LeaseObservations:
    """What was seen of holders: of each the newest beat, and when it was seen first. ``lease`` is in seconds."""

    path: Path
    lease_seconds: float

    def observe_heartbeats(self, beats: Mapping[str, str]) -> Mapping[str, float]:
        """Note how the beats stand now; return by holder for how many seconds its beat has not changed."""
        now, before = time.clock_gettime(_CLOCK), self._read_observations()
        seen = {holder: self._observation(before.get(holder), beat, now) for holder, beat in beats.items()}
        if seen != before:
            self._write_observations(seen)
        return {holder: now - at for holder, (_, at) in seen.items()}

    def _observation(self, before: Json, beat: str, now: float) -> tuple[str, float]:
        known = before is not None and before[0] == beat and before[1] <= now  # else the machine was restarted
        return (beat, before[1]) if known else (beat, now)

    def _read_observations(self) -> dict[str, tuple[str, float]]:
        try:
            found = json.loads(self.path.read_bytes())
            return {str(holder): (str(beat), float(at)) for holder, (beat, at) in found.items()}
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return {}  # nothing was seen yet: then a lease begins now

    def _write_observations(self, seen: Mapping[str, tuple[str, float]]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(f".{time.monotonic_ns()}.part")
        partial.write_text(json.dumps(seen), encoding="utf-8")
        partial.replace(self.path)
