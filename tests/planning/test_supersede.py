"""Superseded runs: what ``on_supersede: cancel`` cancels and what it does not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning.project import (
    SUM,
    TOTAL,
    InMemoryProject,
    action_keys,
    action_on,
    condition_of,
    edited,
    plan_options_of,
    small,
    without,
)
from planning.test_plan import EDITS

from reconciler.model import REMOVED_FROM_GIT, SUPERSEDED, ActionId, Address, Op, RunStatus
from reconciler.planning.saved import SavedPlan, restrict_to_saved_plan
from reconciler.planning.unattended import allowed_decisions
from reconciler.render import plan_json, text
from reconciler.render.sentences import action_sentence

NEXT = Address("job", "next")
CANCEL = "on_supersede: cancel\n"


def cancelling(files: dict[str, str] | None = None) -> dict[str, str]:
    files = files or small()
    return {**files, "mlgit.yml": files["mlgit.yml"] + CANCEL}


def factor(number: int, files: dict[str, str] | None = None) -> dict[str, str]:
    return edited("jobs/sum.yml", "factor: 2", f"factor: {number}", files or ONE)


ONE = cancelling()
TWO, THREE = factor(3), factor(4)


@pytest.fixture
def project() -> InMemoryProject:
    """Return a project in which the job was submitted and runs."""
    applied = InMemoryProject()
    applied.apply(ONE)
    return applied


def cancels(plan):
    return [cancel.version for cancel in plan.cancels]


def status_of(project: InMemoryProject, run_id: str) -> tuple[RunStatus, str]:
    run = project.runs[SUM, run_id]
    return run.status, run.failure


def test_a_superseded_run_is_canceled_after_the_newer_one_was_submitted(project):
    old = project.latest().id
    plan = project.plan(TWO)
    assert action_keys(plan)[:2] == ["submit job/sum", f"cancel job/sum@{old}"]
    cancel = action_on(plan, SUM, Op.CANCEL)
    assert ActionId(Op.SUBMIT, SUM) in cancel.needs
    new = action_on(plan, SUM, Op.SUBMIT).version
    assert action_sentence(cancel) == f"job/sum: cancel run {old} because run {new} supersedes it"
    assert text.format_plan(plan).splitlines()[0] == "Plan: 3 changes, starts 1 run, cancels 1 run."


def test_a_canceled_run_is_recorded_as_superseded(project):
    old = project.latest().id
    project.apply(TWO)
    assert status_of(project, old) == (RunStatus.CANCELED, SUPERSEDED)
    assert project.records[SUM].unfinished == (project.latest().id,)
    assert project.plan(TWO).actions == ()


@pytest.mark.parametrize("message", ["", "on_supersede: finish\n"])
def test_by_default_a_superseded_run_finishes(message):
    files = {**small(), "mlgit.yml": small()["mlgit.yml"] + message}
    project = InMemoryProject()
    project.apply(files)
    assert project.plan(factor(3, files)).cancels == ()


def test_a_run_canceled_as_superseded_is_resubmitted_if_its_job_returns(project):
    first = project.latest()
    project.apply(TWO)
    second = project.latest()
    retry = action_on(plan := project.apply(ONE), SUM, Op.SUBMIT)
    assert (retry.run and retry.run.attempt, retry.run and retry.run.fingerprint) == (2, first.fingerprint)
    assert retry.reason == f"run {first.id} was canceled when another superseded it (attempt 2)"
    assert cancels(plan) == [second.id]
    project.end(RunStatus.COMPLETED)
    project.converge(ONE)
    assert project.records[SUM].run == retry.version
    assert project.plan(ONE).actions == ()


def test_older_active_runs_are_canceled_by_the_next_plan(project):
    files = small()
    project = InMemoryProject()
    for number in (3, 4, 5):
        project.apply(factor(number, files))
    *old, newest = project.records[SUM].unfinished
    plan = project.apply(factor(5))
    assert (action_keys(plan), len(old)) == ([f"cancel job/sum@{action}" for action in old], 2)
    assert {cancel.reason for cancel in plan.cancels} == {f"run {newest} supersedes it"}
    assert project.plan(factor(5)).actions == ()


def test_a_superseded_run_that_is_wanted_again_is_not_canceled(project):
    first = project.latest().id
    project.apply(without_cancel(TWO))
    second = project.latest().id
    plan = project.plan(ONE)
    assert (action_on(plan, SUM, Op.SUBMIT).version, cancels(plan)) == (first, [second])


def without_cancel(files: dict[str, str]) -> dict[str, str]:
    return {**files, "mlgit.yml": files["mlgit.yml"].removesuffix(CANCEL)}


def test_a_run_superseded_by_an_adopted_one_is_canceled():
    project = InMemoryProject()
    project.converge(ONE)
    first = project.latest().id
    project.apply(TWO)
    second = project.latest().id
    plan = project.apply(ONE)
    assert (action_on(plan, SUM, Op.ADOPT).run.id, cancels(plan)) == (first, [second])
    assert plan.cancels[0].reason == f"run {first} supersedes it"
    assert project.records[SUM].run == first


def test_a_superseded_run_that_ended_is_recorded_and_not_canceled(project):
    old = project.latest().id
    plan = project.apply(TWO, reports={old: condition_of(RunStatus.COMPLETED, {"outputs": {"total": {"md5": "1"}}})})
    assert cancels(plan) == []
    assert status_of(project, old) == (RunStatus.COMPLETED, "")
    assert TOTAL not in project.records


def test_an_unrecorded_cancel_counts_as_a_cancel(project):
    old = project.latest().id
    project.apply(without_cancel(TWO))
    plan = project.apply(TWO, reports={old: condition_of(RunStatus.CANCELED, {})})
    assert action_keys(plan) == [f"record job/sum@{old}"]
    assert status_of(project, old) == (RunStatus.CANCELED, SUPERSEDED)


def test_a_superseded_run_that_a_user_canceled_stays_canceled(project):
    old = project.latest().id
    project.end(RunStatus.CANCELED, "user")
    project.apply(TWO)
    assert status_of(project, old) == (RunStatus.CANCELED, "user")
    assert project.plan(ONE).submissions == ()


def test_nothing_is_canceled_before_the_newer_run_is_known():
    chained = cancelling(
        {
            **small(),
            "jobs/next.yml": small()["jobs/sum.yml"]
            .replace("name: sum", "name: next")
            .replace("azureml:numbers@latest", "azureml://jobs/sum/outputs/total"),
        }
    )
    project = InMemoryProject()
    project.apply(chained)
    project.end(RunStatus.COMPLETED)
    project.apply(chained)
    waiting = project.latest(NEXT)
    assert waiting.status.is_active
    changed = factor(3, chained)
    cancel = action_on(project.plan(changed), NEXT, Op.CANCEL)
    assert action_sentence(cancel) == (
        f"job/next: cancel run {waiting.id} because a newer run supersedes it, known after job/sum"
    )
    project.apply(changed)
    assert project.latest(NEXT) == waiting
    project.end(RunStatus.COMPLETED, address=SUM)
    assert cancels(project.apply(changed)) == [waiting.id]


def test_a_run_on_a_removed_backend_is_not_canceled(project):
    renamed = edited("mlgit.yml", "backends: {local:", "backends: {here:", TWO)
    renamed = edited("mlgit.yml", 'compute: {"*": local}', 'compute: {"*": here}', renamed)
    assert project.plan(renamed).cancels == ()


def test_a_run_of_a_removed_job_is_canceled_for_that_reason(project):
    run = project.latest().id
    assert cancels(project.apply(without("jobs/sum.yml", without("models/total.yml", ONE)))) == [run]
    assert status_of(project, run) == (RunStatus.CANCELED, REMOVED_FROM_GIT)


def test_a_run_of_an_archived_job_that_could_not_be_canceled_is_canceled_by_the_next_plan(project):
    run, removed = project.latest().id, without("jobs/sum.yml", without("models/total.yml", ONE))
    project.records[SUM] = replace(project.records[SUM], archived=True)
    assert cancels(project.apply(removed)) == [run]
    assert status_of(project, run) == (RunStatus.CANCELED, REMOVED_FROM_GIT)
    assert project.plan(removed).actions == ()


def test_a_submission_that_is_not_allowed_cancels_no_run(project):
    bound = {**TWO, "mlgit.yml": TWO["mlgit.yml"] + "limits: {submit: 0}\n"}
    for files, keys in ((TWO, {"submit job/sum", f"cancel job/sum@{project.latest().id}"}), (bound, set())):
        allowed, _ = allowed_decisions(project.plan(files), project.state(), plan_options_of(files), lambda _: (), "")
        assert {key for key in map(str, allowed) if key.endswith("/sum") or "@" in key} == keys


def test_a_saved_plan_is_valid_if_the_run_to_cancel_has_ended(project):
    plan = project.plan(TWO)
    body = json.loads(json.dumps(plan_json.plan_body(plan, plan_options_of(TWO))))
    old = project.latest().id
    replanned = project.plan(TWO, reports={old: condition_of(RunStatus.FAILED, {"failure": {"class": "user"}})})
    restricted = restrict_to_saved_plan(SavedPlan({"digest": "d"}, body), replanned, project.state())
    assert action_keys(restricted)[:2] == ["record job/sum", "submit job/sum"]
    assert restricted.cancels == ()


_EDITS = {name: cancelling(files) for name, files in EDITS.items()}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(sorted(_EDITS)), min_size=1, max_size=5))
def test_after_any_edits_a_job_has_one_active_run_and_plans_converge(path):
    project = InMemoryProject()
    for name in path:
        project.apply(_EDITS[name])
        under_way = [address for (address, _), run in project.runs.items() if run.status.is_active]
        assert len(under_way) == len(set(under_way))
    decisions = project.plan(_EDITS[path[-1]]).decisions
    assert [action for action in decisions if action.known_after is None] == []


def test_runs_that_mlgit_canceled_do_not_count_as_attempts(project):
    for files in (TWO, ONE, TWO, ONE):
        project.apply(files)
    assert project.latest().attempt == 3
    project.end(RunStatus.LOST)
    retry = action_on(project.plan(ONE), SUM, Op.SUBMIT)
    assert retry.reason == "attempt 1 was lost (attempt 2 of 3)"
