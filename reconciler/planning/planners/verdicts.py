"""What follows from a run that a job already had: one table of status, failure and whether the run is the latest."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from reconciler.model import DESTROYED, REMOVED_FROM_GIT, SUPERSEDED, Record, Run, RunStatus


class Verdict(Enum):
    """What a plan does about a run."""

    ADOPT = "adopt"  # it becomes the current run
    WAIT = "wait"  # nothing until it ends
    RESUBMIT = "resubmit"  # submit the same attempt again: its token finds the run, which is never executed twice
    START_OVER = "start over"  # submit the next attempt; this one does not count, as mlgit canceled it
    RETRY = "retry"  # submit the next attempt, while limits: retries allows one
    STOP = "stop"  # nothing until a person runs the job again


class VerdictRule(NamedTuple):
    """A row of the table; an empty tuple and None match anything. ``reason`` is a format with ``run``."""

    statuses: tuple[RunStatus, ...]
    failures: tuple[str, ...]
    is_latest: bool | None
    verdict: Verdict
    reason: str

    def matches(self, run: Run, *, is_latest: bool) -> bool:
        """Return True if the row is about such a run."""
        return (
            run.status in self.statuses
            and (not self.failures or run.failure in self.failures)
            and self.is_latest in (None, is_latest)
        )


_UNDER_WAY = (RunStatus.QUEUED, RunStatus.RUNNING)
_ANY: tuple[str, ...] = ()

# The first row that matches counts.
_RULES = (
    VerdictRule((RunStatus.COMPLETED,), _ANY, None, Verdict.ADOPT, "completed"),
    VerdictRule((RunStatus.INTENDED,), _ANY, None, Verdict.RESUBMIT, "the submission of {run.id} was not completed"),
    VerdictRule(_UNDER_WAY, _ANY, False, Verdict.RESUBMIT, "run {run.id} is wanted again"),  # it was superseded
    VerdictRule(_UNDER_WAY, _ANY, True, Verdict.WAIT, "is {run.status}"),
    VerdictRule(
        (RunStatus.CANCELED,),
        (REMOVED_FROM_GIT,),
        None,
        Verdict.START_OVER,
        "run {run.id} was canceled when the job left Git",
    ),
    VerdictRule(
        (RunStatus.CANCELED,),
        (SUPERSEDED,),
        None,
        Verdict.START_OVER,
        "run {run.id} was canceled when another superseded it",
    ),
    VerdictRule(
        (RunStatus.CANCELED,), (DESTROYED,), None, Verdict.START_OVER, "run {run.id} was canceled by `apply --destroy`"
    ),
    VerdictRule((RunStatus.CANCELED,), _ANY, None, Verdict.STOP, "was canceled"),
    VerdictRule((RunStatus.LOST,), _ANY, None, Verdict.RETRY, "was lost"),
    VerdictRule((RunStatus.FAILED,), ("staging", "engine"), None, Verdict.RETRY, "failed ({run.failure})"),
    VerdictRule((RunStatus.FAILED,), _ANY, None, Verdict.STOP, "failed"),
)


def verdict_on_run(run: Run, record: Record | None) -> tuple[Verdict, str]:
    """Return what follows from a run of a job with the record, and why."""
    is_latest = record is not None and record.latest == run.id
    rule = next(rule for rule in _RULES if rule.matches(run, is_latest=is_latest))
    return rule.verdict, rule.reason.format(run=run)
