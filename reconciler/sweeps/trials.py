"""A trial of a sweep, as it is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.model.assets import Json
from reconciler.model.runs import RunStatus


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that was started: its number from 0, the values of its search space, and what it logged.

    ``values`` are those of the primary metric, in the order in which the trial logged them: an interval each.
    """

    index: int
    params: Mapping[str, Json]
    status: RunStatus
    values: tuple[float, ...] = ()
