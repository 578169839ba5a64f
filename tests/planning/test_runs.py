from __future__ import annotations

from dataclasses import replace

import pytest
from planning.world import NUMBERS, SUM, TOTAL, World, action_on, done, edited, policy_of, small, without

from reconciler.model import ActionId, Address, Op, Run, RunReport, RunStatus
from reconciler.planning.plan import PlanInputs, make_plan

pytestmark = pytest.mark.fast

TRIPLED = edited("jobs/sum.yml", "factor: 2", "factor: 3")
RERUN = frozenset({SUM})
CHAINED = {
    **small(),
    "jobs/next.yml": small()["jobs/sum.yml"]
    .replace("name: sum", "name: next")
    .replace("azureml:numbers@latest", "azureml://jobs/sum/outputs/total"),
}
NEXT = Address("job", "next")


@pytest.fixture
def world() -> World:
    """Make a world in which the job was submitted and runs."""
    applied = World()
    applied.apply(small())
    return applied


def observed(world: World, status: RunStatus, **result: object) -> dict[str, RunReport]:
    return {world.latest().id: RunReport(status, result or None)}


def submitted(world: World, **options: object) -> Run:
    run = action_on(world.plan(small(), **options), SUM).run
    assert run is not None
    return run


def test_a_run_is_named_after_its_job_and_its_token(world):
    run = world.latest()
    assert (run.id, run.attempt) == (f"sum-{run.token[:8]}", 1)


def test_a_job_that_runs_is_left_to_run_and_what_follows_from_it_waits(world):
    plan = world.plan(small())
    assert plan.actions == ()
    assert [(blocked.address, blocked.failed) for blocked in plan.blocked] == [(SUM, False), (TOTAL, False)]
    assert [blocked.message for blocked in plan.blocked] == [f"run {world.latest().id} is queued", "waits for job/sum"]


def test_without_refresh_a_run_has_its_recorded_status(world):
    desired, state = world.desired(small()), world.live()
    plan, _ = make_plan(PlanInputs(desired, state, policy_of(small())))
    message = f"run {world.latest().id} was queued when last recorded; --refresh asks"
    assert plan.blocked[0].message.startswith(message)


def test_a_run_that_is_seen_running_gives_no_action(world):
    plan = world.plan(small(), reports=observed(world, RunStatus.RUNNING))
    assert plan.actions == ()
    assert plan.blocked[0].message.endswith("is running")


def test_a_run_that_is_seen_completed_is_recorded_and_then_its_output_registered(world):
    reports = observed(world, RunStatus.COMPLETED, outputs={"total": {}}, metrics={"total": 12})
    plan = world.plan(small(), reports=reports)
    assert done(plan) == ["record job/sum", "register model/total"]
    assert action_on(plan, TOTAL).needs == (ActionId(Op.RECORD, SUM),)
    assert plan.decisions == ()
    run = action_on(plan, SUM).run
    assert run is not None
    assert (run.status, run.metrics) == (RunStatus.COMPLETED, {"total": 12})


def test_a_job_on_an_output_that_is_not_in_the_store_yet_is_known_later(world):
    world = World()
    world.apply(CHAINED)
    plan = world.plan(CHAINED, reports=observed(world, RunStatus.COMPLETED, outputs={"total": {}}))
    assert action_on(plan, NEXT).known_after == SUM


def test_a_job_on_the_output_of_another_runs_after_it():
    world = World()
    first, second = world.settle(CHAINED)
    assert action_on(first, NEXT).known_after == SUM
    assert action_on(second, NEXT).known_after is None
    assert world.latest(NEXT).status is RunStatus.COMPLETED


def test_an_equal_output_runs_nothing_that_reads_it():
    world = World()
    world.settle(CHAINED)
    plans = world.settle(CHAINED, requested=RERUN)
    assert [
        submission.address for plan in plans for submission in plan.submissions if submission.known_after is None
    ] == [SUM]


def test_returning_to_what_ran_before_adopts_that_run_and_submits_nothing():
    world = World()
    world.settle(small())
    first = world.latest().id
    world.settle(TRIPLED)
    plan = world.plan(small())
    action = action_on(plan, SUM)
    assert (action.op, action.run and action.run.id) == (Op.ADOPT, first)
    assert plan.submissions == ()
    assert action_on(plan, TOTAL).version == "3"


@pytest.mark.parametrize("failure", ["user", "timeout"])
def test_a_user_failure_is_not_retried(world, failure):
    world.end(RunStatus.FAILED, failure)
    plan = world.plan(small())
    assert plan.actions == ()
    (failed,) = (blocked for blocked in plan.blocked if blocked.failed)
    assert "mlgit job rerun sum" in failed.message


def test_a_canceled_run_is_not_retried(world):
    world.end(RunStatus.CANCELED, "user")
    plan = world.plan(small())
    assert (plan.actions, plan.blocked[0].failed) == ((), True)
    assert "was canceled" in plan.blocked[0].message


def test_a_failed_run_is_run_again_on_request(world):
    world.end(RunStatus.FAILED, "user")
    assert submitted(world, requested=RERUN).attempt == 2


def test_a_changed_job_runs_again_after_a_failure(world):
    world.end(RunStatus.FAILED, "user")
    run = action_on(world.plan(TRIPLED), SUM).run
    assert run is not None
    assert run.attempt == 1


@pytest.mark.parametrize(
    ("status", "failure"), [(RunStatus.LOST, ""), (RunStatus.FAILED, "staging"), (RunStatus.FAILED, "engine")]
)
def test_infrastructure_failures_are_retried_up_to_the_limit(world, status, failure):
    attempts = []
    while True:
        attempts.append(world.latest().attempt)
        world.end(status, failure)
        plan = world.apply(small())
        if not plan.submissions:
            break
        assert f"(attempt {attempts[-1] + 1} of 3)" in plan.submissions[0].reason
    assert attempts == [1, 2, 3]
    assert plan.blocked[0].failed


def test_an_attempt_has_a_token_of_its_own(world):
    first = world.latest()
    world.end(RunStatus.LOST)
    second = submitted(world)
    assert first.fingerprint == second.fingerprint
    assert (first.token, first.id) != (second.token, second.id)


def test_an_interrupted_submission_is_repeated_with_the_same_token(world):
    intended = replace(world.latest(), status=RunStatus.INTENDED)
    world.runs[SUM, intended.id] = intended
    retry = submitted(world)
    assert (retry.id, retry.token, retry.attempt) == (intended.id, intended.token, 1)
    assert "was cut off" in action_on(world.plan(small()), SUM).reason


def test_an_interrupted_submission_that_the_backend_has_is_not_repeated(world):
    intended = replace(world.latest(), status=RunStatus.INTENDED)
    world.runs[SUM, intended.id] = intended
    assert world.plan(small(), reports=observed(world, RunStatus.RUNNING)).actions == ()


def test_a_lost_run_is_recorded_before_it_is_tried_again(world):
    plan = world.plan(small(), reports=observed(world, RunStatus.LOST))
    assert done(plan)[:2] == ["record job/sum", "submit job/sum"]
    assert action_on(plan, SUM, Op.SUBMIT).needs[0] == ActionId(Op.RECORD, SUM)


def test_a_superseded_run_never_becomes_current(world):
    first = world.latest()
    world.apply(TRIPLED)
    second = world.latest()
    assert first.id != second.id
    reports = {first.id: RunReport(RunStatus.COMPLETED, {"outputs": {"total": {}}})}
    assert done(world.apply(TRIPLED, reports=reports)) == [f"record job/sum@{first.id}"]
    assert (world.records[SUM].run, world.records[SUM].unfinished) == ("", (second.id,))
    assert world.runs[SUM, first.id].status is RunStatus.COMPLETED
    world.end(RunStatus.COMPLETED)
    assert world.records[SUM].run == second.id
    assert [action.version for action in world.settle(TRIPLED)[0].actions] == ["1"]


def test_a_completed_run_whose_outputs_were_never_stored_is_recorded_again_before_anything_uses_them(world):
    run = world.latest()
    world.runs[SUM, run.id] = replace(run, status=RunStatus.COMPLETED, outputs={"total": {"files": 1, "size": 2}})
    assert action_on(world.plan(small()), TOTAL).known_after == SUM
    reports = observed(world, RunStatus.COMPLETED, outputs={"total": {"files": 1, "size": 2}})
    assert done(world.plan(small(), reports=reports)) == ["record job/sum", "register model/total"]


def test_a_job_that_returns_to_git_runs_again_after_its_cancel(world):
    removed = without("jobs/sum.yml", without("models/total.yml"))
    assert done(world.apply(removed)) == [f"cancel job/sum@{world.latest().id}", "archive job/sum"]
    assert world.plan(removed).actions == ()
    retry = action_on(world.apply(small()), SUM)
    assert (retry.op, retry.run and retry.run.attempt) == (Op.SUBMIT, 2)
    assert "was canceled when the job left Git" in retry.reason


def test_a_run_of_a_removed_backend_blocks_its_job(world):
    renamed = edited("mlgit.yml", "backends: {local:", "backends: {here:")
    renamed = edited("mlgit.yml", 'compute: {"*": local}', 'compute: {"*": here}', renamed)
    plan = world.plan(renamed)
    assert plan.submissions == ()
    assert "its backend local is not in mlgit.yml" in plan.blocked[0].message
    assert plan.blocked[0].run is None


def test_a_superseded_run_that_is_wanted_again_is_resubmitted(world):
    first = world.latest()
    world.apply(TRIPLED)
    retry = action_on(world.apply(small()), SUM)
    assert (retry.op, retry.run and retry.run.token) == (Op.SUBMIT, first.token)
    assert world.records[SUM].latest == first.id
    assert world.plan(small()).actions == ()


def test_a_rerun_that_completes_becomes_current_and_one_that_fails_does_not():
    world = World()
    world.settle(small())
    first = world.latest().id
    for status, current in ((RunStatus.FAILED, False), (RunStatus.COMPLETED, True)):
        world.apply(small(), requested=RERUN)
        run = world.latest().id
        world.end(status, "user")
        assert world.records[SUM].run == (run if current else first)
    assert done(world.plan(small())) == ["register model/total"]


def test_a_manual_job_is_not_run_by_a_plan():
    plan = World().plan(small(), runs=False)
    assert plan.submissions == ()
    assert "is run by hand: mlgit job rerun sum" in plan.blocked[0].message


def test_a_manual_job_that_is_known_later_is_not_planned_either():
    world = World()
    world.settle(CHAINED, requested=frozenset({SUM}), runs=False)
    assert NEXT not in world.records


def test_a_manual_job_runs_on_request():
    assert submitted(World(), runs=False, requested=RERUN).attempt == 1


def test_a_manual_job_that_ran_is_adopted():
    world = World()
    world.settle(small(), runs=False, requested=RERUN)
    assert world.records[SUM].run
    assert world.plan(small(), runs=False).actions == ()


def test_changing_compute_or_limits_of_a_job_is_an_update():
    world = World()
    world.settle(small())
    limited = edited("jobs/sum.yml", "factor: 2", "factor: 2\nlimits: {timeout: 60}\nresources: {instance_count: 1}")
    assert done(world.plan(limited)) == ["update job/sum"]


def test_a_job_without_a_name_is_named_by_its_path():
    files = edited("jobs/sum.yml", "name: sum\n", "")
    files = edited("models/total.yml", "jobs/sum/outputs", "jobs/x/outputs", files)
    del files["models/total.yml"]
    run = action_on(World().plan(files), Address("job", "jobs/sum")).run
    assert run is not None
    assert run.id.startswith("sum-")


@pytest.mark.parametrize(
    ("status", "ended"),
    [(RunStatus.CANCELED, "was canceled"), (RunStatus.FAILED, "failed"), (RunStatus.LOST, "was lost")],
)
def test_assets_behind_a_failed_run_are_held_back(status, ended):
    world = World()
    world.apply(small())
    for _ in range(5):  # what is lost is tried again first
        world.end(status, "user" if status is RunStatus.FAILED else "")
        world.apply(small())
    (held_back,) = (blocked for blocked in world.plan(small()).blocked if blocked.address == TOTAL)
    assert held_back.message == f"held back: job/sum {ended}"


def test_an_exact_version_that_exists_is_not_waited_for(world):
    world.end(RunStatus.COMPLETED)
    world.settle(small())
    pinned = edited("jobs/sum.yml", "azureml:numbers@latest", "azureml:numbers:1")
    pinned = edited("jobs/sum.yml", "factor: 2", "factor: 3", pinned)
    plan = world.plan(edited("data/numbers.csv", "1", "9", pinned))
    assert action_on(plan, NUMBERS).key not in action_on(plan, SUM, Op.SUBMIT).needs
