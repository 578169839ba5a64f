"""Superseded runs: what ``on_supersede: cancel`` cancels and what it does not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning.test_plan import EDITS
from planning.world import SUM, TOTAL, World, action_on, done, edited, policy_of, small, without

from reconciler.model import REMOVED_FROM_GIT, SUPERSEDED, ActionId, Address, Op, RunReport, RunStatus
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
def world() -> World:
    """Make a world in which the job was submitted and runs."""
    applied = World()
    applied.apply(ONE)
    return applied


def cancels(plan):
    return [cancel.version for cancel in plan.cancels]


def ended(world: World, run_id: str) -> tuple[RunStatus, str]:
    run = world.runs[SUM, run_id]
    return run.status, run.failure


def test_a_superseded_run_is_canceled_after_the_newer_one_was_submitted(world):
    old = world.latest().id
    plan = world.plan(TWO)
    assert done(plan)[:2] == ["submit job/sum", f"cancel job/sum@{old}"]
    cancel = action_on(plan, SUM, Op.CANCEL)
    assert ActionId(Op.SUBMIT, SUM) in cancel.needs
    new = action_on(plan, SUM, Op.SUBMIT).version
    assert action_sentence(cancel) == f"job/sum: cancel run {old} because run {new} supersedes it"
    assert text.format_plan(plan).splitlines()[0] == "Plan: 3 changes, starts 1 run, cancels 1 run."


def test_a_canceled_run_is_recorded_as_superseded(world):
    old = world.latest().id
    world.apply(TWO)
    assert ended(world, old) == (RunStatus.CANCELED, SUPERSEDED)
    assert world.records[SUM].unfinished == (world.latest().id,)
    assert world.plan(TWO).actions == ()


@pytest.mark.parametrize("message", ["", "on_supersede: finish\n"])
def test_by_default_a_superseded_run_finishes(message):
    files = {**small(), "mlgit.yml": small()["mlgit.yml"] + message}
    world = World()
    world.apply(files)
    assert world.plan(factor(3, files)).cancels == ()


def test_a_run_canceled_as_superseded_is_resubmitted_if_its_job_returns(world):
    first = world.latest()
    world.apply(TWO)
    second = world.latest()
    retry = action_on(plan := world.apply(ONE), SUM, Op.SUBMIT)
    assert (retry.run and retry.run.attempt, retry.run and retry.run.fingerprint) == (2, first.fingerprint)
    assert retry.reason == f"run {first.id} was canceled when another superseded it (attempt 2)"
    assert cancels(plan) == [second.id]
    world.end(RunStatus.COMPLETED)
    world.settle(ONE)
    assert world.records[SUM].run == retry.version
    assert world.plan(ONE).actions == ()


def test_older_active_runs_are_canceled_by_the_next_plan(world):
    files = small()
    world = World()
    for number in (3, 4, 5):
        world.apply(factor(number, files))
    *old, newest = world.records[SUM].unfinished
    plan = world.apply(factor(5))
    assert (done(plan), len(old)) == ([f"cancel job/sum@{action}" for action in old], 2)
    assert {cancel.reason for cancel in plan.cancels} == {f"run {newest} supersedes it"}
    assert world.plan(factor(5)).actions == ()


def test_a_superseded_run_that_is_wanted_again_is_not_canceled(world):
    first = world.latest().id
    world.apply(without_cancel(TWO))
    second = world.latest().id
    plan = world.plan(ONE)
    assert (action_on(plan, SUM, Op.SUBMIT).version, cancels(plan)) == (first, [second])


def without_cancel(files: dict[str, str]) -> dict[str, str]:
    return {**files, "mlgit.yml": files["mlgit.yml"].removesuffix(CANCEL)}


def test_a_run_superseded_by_an_adopted_one_is_canceled():
    world = World()
    world.settle(ONE)
    first = world.latest().id
    world.apply(TWO)
    second = world.latest().id
    plan = world.apply(ONE)
    assert (action_on(plan, SUM, Op.ADOPT).run.id, cancels(plan)) == (first, [second])
    assert plan.cancels[0].reason == f"run {first} supersedes it"
    assert world.records[SUM].run == first


def test_a_superseded_run_that_ended_is_recorded_and_not_canceled(world):
    old = world.latest().id
    plan = world.apply(TWO, reports={old: RunReport(RunStatus.COMPLETED, {"outputs": {"total": {"md5": "1"}}})})
    assert cancels(plan) == []
    assert ended(world, old) == (RunStatus.COMPLETED, "")
    assert TOTAL not in world.records


def test_an_unrecorded_cancel_counts_as_a_cancel(world):
    old = world.latest().id
    world.apply(without_cancel(TWO))
    plan = world.apply(TWO, reports={old: RunReport(RunStatus.CANCELED, {})})
    assert done(plan) == [f"record job/sum@{old}"]
    assert ended(world, old) == (RunStatus.CANCELED, SUPERSEDED)


def test_a_superseded_run_that_a_user_canceled_stays_canceled(world):
    old = world.latest().id
    world.end(RunStatus.CANCELED, "user")
    world.apply(TWO)
    assert ended(world, old) == (RunStatus.CANCELED, "user")
    assert world.plan(ONE).submissions == ()


def test_nothing_is_canceled_before_the_newer_run_is_known():
    chained = cancelling(
        {
            **small(),
            "jobs/next.yml": small()["jobs/sum.yml"]
            .replace("name: sum", "name: next")
            .replace("azureml:numbers@latest", "azureml://jobs/sum/outputs/total"),
        }
    )
    world = World()
    world.apply(chained)
    world.end(RunStatus.COMPLETED)
    world.apply(chained)
    waiting = world.latest(NEXT)
    assert waiting.status.is_active
    changed = factor(3, chained)
    foretold = action_on(world.plan(changed), NEXT, Op.CANCEL)
    assert action_sentence(foretold) == (
        f"job/next: cancel run {waiting.id} because a newer run supersedes it, known after job/sum"
    )
    world.apply(changed)
    assert world.latest(NEXT) == waiting
    world.end(RunStatus.COMPLETED, address=SUM)
    assert cancels(world.apply(changed)) == [waiting.id]


def test_a_run_on_a_removed_backend_is_not_canceled(world):
    renamed = edited("mlgit.yml", "backends: {local:", "backends: {here:", TWO)
    renamed = edited("mlgit.yml", 'compute: {"*": local}', 'compute: {"*": here}', renamed)
    assert world.plan(renamed).cancels == ()


def test_a_run_of_a_removed_job_is_canceled_for_that_reason(world):
    run = world.latest().id
    assert cancels(world.apply(without("jobs/sum.yml", without("models/total.yml", ONE)))) == [run]
    assert ended(world, run) == (RunStatus.CANCELED, REMOVED_FROM_GIT)


def test_a_submission_that_is_not_allowed_cancels_no_run(world):
    bound = {**TWO, "mlgit.yml": TWO["mlgit.yml"] + "limits: {submit: 0}\n"}
    for files, keys in ((TWO, {"submit job/sum", f"cancel job/sum@{world.latest().id}"}), (bound, set())):
        allowed, _ = allowed_decisions(world.plan(files), world.live(), policy_of(files), lambda _: (), "")
        assert {key for key in map(str, allowed) if key.endswith("/sum") or "@" in key} == keys


def test_a_saved_plan_is_valid_if_the_run_to_cancel_has_ended(world):
    plan = world.plan(TWO)
    body = json.loads(json.dumps(plan_json.plan_body(plan, policy_of(TWO))))
    old = world.latest().id
    replanned = world.plan(TWO, reports={old: RunReport(RunStatus.FAILED, {"failure": {"class": "user"}})})
    restricted = restrict_to_saved_plan(SavedPlan({"digest": "d"}, body), replanned, world.live())
    assert done(restricted)[:2] == ["record job/sum", "submit job/sum"]
    assert restricted.cancels == ()


_EDITS = {name: cancelling(files) for name, files in EDITS.items()}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(sorted(_EDITS)), min_size=1, max_size=5))
def test_after_any_edits_a_job_has_one_active_run_and_plans_converge(path):
    world = World()
    for name in path:
        world.apply(_EDITS[name])
        under_way = [address for (address, _), run in world.runs.items() if run.status.is_active]
        assert len(under_way) == len(set(under_way))
    decisions = world.plan(_EDITS[path[-1]]).decisions
    assert [action for action in decisions if action.known_after is None] == []


def test_runs_that_mlgit_canceled_do_not_count_as_attempts(world):
    for files in (TWO, ONE, TWO, ONE):
        world.apply(files)
    assert world.latest().attempt == 3
    world.end(RunStatus.LOST)
    retry = action_on(world.plan(ONE), SUM, Op.SUBMIT)
    assert retry.reason == "attempt 1 was lost (attempt 2 of 3)"
