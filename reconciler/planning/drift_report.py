"""The report on drift: what drifted, what could not be asked, and what becomes of the issue on it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import NamedTuple

from reconciler.config.targets import DEFAULT_TARGET
from reconciler.model import Address
from reconciler.planning.drift import Drift


def target_label(target: str) -> str:
    """Return the name of a target for a heading, "" for the default one."""
    return "" if target == DEFAULT_TARGET else target


class IssueState(StrEnum):
    """What becomes of the issue on the drift of a target."""

    OPEN = "open"
    CLOSE = "close"
    KEEP = "keep"  # as it is: not all could be asked


class DriftReport(NamedTuple):
    """All drift of a target. ``notes`` say what could not be asked: drift that is not known may exist there."""

    target: str
    drift: tuple[Drift, ...]
    notes: tuple[str, ...] = ()

    @property
    def counted(self) -> tuple[Drift, ...]:
        """The drift that does not depend on the machine that looks."""
        return tuple(drift for drift in self.drift if not drift.local)

    @property
    def is_complete(self) -> bool:
        """True if all providers were asked."""
        return not self.notes

    def issue_state(self, written_back: AbstractSet[Address]) -> IssueState:
        """Return what becomes of the issue: it is for the drift that no pull request writes into Git."""
        if any(drift.address not in written_back for drift in self.counted):
            return IssueState.OPEN
        return IssueState.CLOSE if self.is_complete else IssueState.KEEP
