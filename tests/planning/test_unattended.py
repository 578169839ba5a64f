"""Plans that nobody approves: runs of the last day are counted, and nothing protected is changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planning.project import SUM, TOTAL, InMemoryProject, plan_options_of, small, without

from reconciler.model import Observation, Op, Run
from reconciler.planning.plan import PlanInputs
from reconciler.planning.unattended import allowed_decisions, plan_unattended

pytestmark = pytest.mark.fast

DAY_AGO = "2026-11-28T12:00:00.000Z"
RECENT, OLD = "2026-11-28T12:00:00.001Z", "2026-11-28T11:59:59.999Z"


@pytest.fixture
def project() -> InMemoryProject:
    return InMemoryProject()


def limited(text: str) -> dict[str, str]:
    return {**small(), "mlgit.yml": small()["mlgit.yml"] + text}


def submitted_at(project: InMemoryProject, commit: str, *times: str) -> list[Run]:
    """Return runs of job/sum that were submitted from a commit at these times."""
    (submission,) = project.plan(small()).submissions
    assert submission.run is not None
    return [replace(submission.run, commit=commit, submitted_at=time) for time in times]


@pytest.mark.parametrize(
    ("commit", "times", "is_allowed"),
    [
        ("commit1", [RECENT, RECENT], False),
        ("commit1", [RECENT, OLD], True),
        ("commit1", [OLD, OLD, ""], True),
        ("another", [RECENT, RECENT], True),
    ],
)
def test_runs_of_the_last_day_from_the_same_commit_count(project, commit, times, is_allowed):
    files = limited("limits: {runs_per_day: 2}\n")
    plan, runs = project.plan(files), submitted_at(project, commit, *times)
    keys, reasons = allowed_decisions(plan, project.state(), plan_options_of(files), lambda _: runs, DAY_AGO)
    assert (any(key.op is Op.SUBMIT and key.address == SUM for key in keys), not reasons) == (is_allowed, is_allowed)


def test_a_protected_asset_is_left_out_with_the_reason(project):
    files = limited("protect: [model/*]\n")
    project.converge(files)
    removed = without("models/total.yml", files)
    inputs = PlanInputs(project.desired(removed), project.state(), plan_options_of(removed), Observation())
    unattended = plan_unattended(inputs, lambda _: (), DAY_AGO)
    assert TOTAL not in {action.address for action in unattended.plan.actions}
    assert unattended.plan_options.exclude == (str(TOTAL),)
    assert [diagnostic.code for diagnostic in unattended.stop_reasons] == ["protected"]
