from __future__ import annotations

from itertools import product

import pytest

from reconciler.model import DESTROYED, REMOVED_FROM_GIT, SUPERSEDED, Address, Record, Run, RunStatus
from reconciler.planning.planners.verdicts import Verdict, verdict_on_run

pytestmark = pytest.mark.fast

_JOB = Address("job", "sum")
_FAILURES = ("", "user", "timeout", "staging", "engine", "lost", REMOVED_FROM_GIT, SUPERSEDED, DESTROYED)


def _run(status: RunStatus, failure: str = "") -> Run:
    return Run("sum-1", _JOB, "token", "fingerprint", 1, "local", status, failure)


def _record(latest: str) -> Record:
    return Record(_JOB, {}, "fingerprint", "", 1, latest=latest)


@pytest.mark.parametrize(
    ("status", "failure"),
    [(status, failure) for status, failure in product(RunStatus, _FAILURES) if status is not RunStatus.NOT_STARTED],
)
def test_every_run_has_a_verdict_with_a_reason(status, failure):
    for record in (None, _record("sum-1"), _record("sum-2")):
        verdict, reason = verdict_on_run(_run(status, failure), record)
        assert reason
        assert (verdict is Verdict.ADOPT) == (status is RunStatus.COMPLETED)
        assert (verdict in (Verdict.WAIT, Verdict.RESUBMIT)) == status.is_active


@pytest.mark.parametrize(
    ("status", "failure", "latest", "expected"),
    [
        (RunStatus.INTENDED, "", "sum-1", (Verdict.RESUBMIT, "the submission of sum-1 was not completed")),
        (RunStatus.RUNNING, "", "sum-1", (Verdict.WAIT, "is running")),
        (RunStatus.QUEUED, "", "sum-2", (Verdict.RESUBMIT, "run sum-1 is wanted again")),
        (
            RunStatus.CANCELED,
            REMOVED_FROM_GIT,
            "sum-1",
            (Verdict.START_OVER, "run sum-1 was canceled when the job left Git"),
        ),
        (
            RunStatus.CANCELED,
            SUPERSEDED,
            "sum-1",
            (Verdict.START_OVER, "run sum-1 was canceled when another superseded it"),
        ),
        (
            RunStatus.CANCELED,
            DESTROYED,
            "sum-1",
            (Verdict.START_OVER, "run sum-1 was canceled by `apply --destroy`"),
        ),
        (RunStatus.CANCELED, "user", "sum-1", (Verdict.STOP, "was canceled")),
        (RunStatus.FAILED, "staging", "sum-1", (Verdict.RETRY, "failed (staging)")),
        (RunStatus.FAILED, "engine", "sum-2", (Verdict.RETRY, "failed (engine)")),
        (RunStatus.FAILED, "user", "sum-1", (Verdict.STOP, "failed")),
        (RunStatus.FAILED, "timeout", "sum-1", (Verdict.STOP, "failed")),
        (RunStatus.LOST, "lost", "sum-1", (Verdict.RETRY, "was lost")),
    ],
)
def test_the_verdict_follows_from_status_failure_and_whether_the_run_is_the_latest(status, failure, latest, expected):
    assert verdict_on_run(_run(status, failure), _record(latest)) == expected
