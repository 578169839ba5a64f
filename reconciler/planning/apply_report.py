"""The report on an apply after a merge: what it did, what failed, what waits, and what was not as reviewed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import Diagnostic


class ApplyVerdict(StrEnum):
    """How an apply ended: all is done, nothing was to be done, a part failed, or nothing was decided at all."""

    APPLIED = "applied"
    NOTHING = "nothing"
    FAILED = "failed"
    DIFFERS = "differs"  # the plan is not as reviewed: nothing was applied
    UNREVIEWED = "unreviewed"  # decisions without a report: only advances were made
    REFUSED = "refused"  # an error before anything was done
    INTERRUPTED = "interrupted"


class ReviewDifference(NamedTuple):
    """What was reviewed of an address, what the plan does now, and why, all in words; "" for what is not known."""

    address: str
    reviewed: str
    now: str
    reason: str = ""


class AppliedVersion(NamedTuple):
    """A version that an apply registered, and the run that made it, "" if none did."""

    address: str
    version: str
    run: str = ""


class AppliedRun(NamedTuple):
    """A run that an apply submitted, adopted or recorded, with its status when the apply ended.

    ``done`` says which, ``origin`` where an adopted one is from, ``message`` is the first line of its error.
    """

    job: str
    run: str
    status: str
    done: str
    origin: str = ""
    message: str = ""


class Failure(NamedTuple):
    """An action that failed, or an asset that had failed before, and the first line of its error."""

    action: str
    message: str


class Waiting(NamedTuple):
    """An asset that is left as it is for now, and why."""

    address: str
    message: str


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What an apply did. ``digest`` is that of its plan, ``reviewed`` are those of the reports that it follows.

    ``changes`` are sentences on what was done besides versions and runs, ``errors`` the reasons why nothing was.
    """

    commit: str
    verdict: ApplyVerdict
    target: str = DEFAULT_TARGET
    digest: str = ""
    reviewed: tuple[str, ...] = ()
    versions: tuple[AppliedVersion, ...] = ()
    runs: tuple[AppliedRun, ...] = ()
    changes: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    differences: tuple[ReviewDifference, ...] = ()
    errors: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_default_target(self) -> bool:
        """True for the target that need not be named."""
        return self.target == DEFAULT_TARGET
