"""When this clone last saw the heartbeat of a holder change: that, and no clock of the holder's, expires its lease.

The observations are kept in a file, so that one command continues what an earlier one saw. Time is counted since the
machine booted, which is never set back; after a reboot it is counted anew.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.model import Json
from reconciler.private_files import create_private_file, make_private_folder
from reconciler.regular_files import naming_errors, read_regular_file

_MAX_BYTES = 5_000_000
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


if TYPE_CHECKING:
    from reconciler.state.store import StateStore  # most uses of the state need no lease


@dataclass(frozen=True, slots=True)
class LeaseObservations:
    """The newest heartbeat of each holder, and when it was first seen."""

    path: Path
    lease_seconds: float

    def observe_heartbeats(self, heartbeats: Mapping[str, str]) -> Mapping[str, float]:
        """Record the current heartbeats; return by holder for how many seconds its heartbeat has not changed."""
        seconds, before = time.clock_gettime(_CLOCK), self._read_observations()
        observations = {
            holder: _observation(before.get(holder), heartbeat, seconds) for holder, heartbeat in heartbeats.items()
        }
        if observations != before:
            self._write_observations(observations)
        return {holder: seconds - first_seen for holder, (_, first_seen) in observations.items()}

    def _read_observations(self) -> dict[str, tuple[str, float]]:
        try:
            content = json.loads(read_regular_file(self.path, _MAX_BYTES))
            return {
                str(holder): (str(heartbeat), float(first_seen)) for holder, (heartbeat, first_seen) in content.items()
            }
        except (FileNotFoundError, ValueError, TypeError, AttributeError, RecursionError, OverflowError):
            return {}  # nothing was observed yet: every lease begins at this moment

    def _write_observations(self, observations: Mapping[str, tuple[str, float]]) -> None:
        make_private_folder(self.path.parent)
        partial = self.path.with_suffix(f".{time.monotonic_ns()}.part")
        with naming_errors(self.path):
            create_private_file(partial, json.dumps(observations).encode())
            partial.replace(self.path)


def open_lease_observations(store: StateStore, lease: float) -> LeaseObservations:
    """Return what this clone has seen of the heartbeats of a live state's locks."""
    return LeaseObservations(store.local_folder / f"leases-{store.name}-{store.target}.json", lease)


def _observation(before: Json, heartbeat: str, seconds: float) -> tuple[str, float]:
    is_unchanged = before is not None and before[0] == heartbeat and before[1] <= seconds  # else a reboot was between
    return (heartbeat, before[1]) if is_unchanged else (heartbeat, seconds)
