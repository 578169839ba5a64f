from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from planning.project import (
    NUMBERS,
    SUM,
    TOTAL,
    Files,
    InMemoryProject,
    action_keys,
    action_on,
    condition_of,
    edited,
    plan_options_of,
    small,
    without,
)

from reconciler.model import ActionId, Address, Condition, Observation, Op, Phase, Plan, Run, RunStatus, State
from reconciler.planning.pipeline import run_plan_pipeline
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
def project() -> InMemoryProject:
    """Return a project in which the job was submitted and runs."""
    applied = InMemoryProject()
    applied.apply(small())
    return applied


def observed(project: InMemoryProject, status: RunStatus, **result: object) -> dict[str, Condition]:
    return {project.latest().id: condition_of(status, result or None)}


def submitted(project: InMemoryProject, **options: object) -> Run:
    run = action_on(project.plan(small(), **options), SUM).run
    assert run is not None
    return run


def test_a_run_is_named_after_its_job_and_its_token(project):
    run = project.latest()
    assert (run.id, run.attempt) == (f"sum-{run.token[:8]}", 1)


def test_a_running_job_continues_and_its_dependents_wait(project):
    plan = project.plan(small())
    assert plan.actions == ()
    assert [(blocked.address, blocked.failed) for blocked in plan.blocked] == [(SUM, False), (TOTAL, False)]
    assert [blocked.message for blocked in plan.blocked] == [
        f"run {project.latest().id} is queued",
        "waits for job/sum",
    ]


def test_without_refresh_a_run_has_its_recorded_status(project):
    desired, state = project.desired(small()), project.state()
    plan, _ = make_plan(PlanInputs(desired, state, plan_options_of(small())))
    message = f"run {project.latest().id} was queued when last recorded; --refresh asks"
    assert plan.blocked[0].message.startswith(message)


@pytest.mark.parametrize(
    "observation",
    [
        Observation(unreachable_backends=("the backend local cannot be reached",)),
        Observation(unreachable_store="the store cannot be reached"),
        "unknown",
    ],
)
def test_a_run_whose_backend_does_not_answer_has_its_recorded_status(project, observation):
    if observation == "unknown":
        observation = Observation({project.latest().id: Condition(Phase.UNKNOWN, message="no answer")})
    plan, _ = make_plan(PlanInputs(project.desired(small()), project.state(), plan_options_of(small()), observation))
    message = f"run {project.latest().id} was queued when last recorded, and its backend does not answer"
    assert plan.blocked[0].message == message


def test_a_run_observed_as_running_needs_no_action(project):
    plan = project.plan(small(), reports=observed(project, RunStatus.RUNNING))
    assert plan.actions == ()
    assert plan.blocked[0].message.endswith("is running")


def test_a_run_observed_as_completed_is_recorded_before_its_output_is_registered(project):
    reports = observed(project, RunStatus.COMPLETED, outputs={"total": {}}, metrics={"total": 12})
    plan = project.plan(small(), reports=reports)
    assert action_keys(plan) == ["record job/sum", "register model/total"]
    assert action_on(plan, TOTAL).needs == (ActionId(Op.RECORD, SUM),)
    assert plan.decisions == ()
    run = action_on(plan, SUM).run
    assert run is not None
    assert (run.status, run.metrics) == (RunStatus.COMPLETED, {"total": 12})


def test_a_job_on_an_output_that_is_not_in_the_store_yet_is_known_later(project):
    project = InMemoryProject()
    project.apply(CHAINED)
    plan = project.plan(CHAINED, reports=observed(project, RunStatus.COMPLETED, outputs={"total": {}}))
    assert action_on(plan, NEXT).known_after == SUM


def test_a_job_on_the_output_of_another_runs_after_it():
    project = InMemoryProject()
    first, second = project.converge(CHAINED)
    assert action_on(first, NEXT).known_after == SUM
    submission = action_on(second, NEXT)
    assert submission.known_after is None
    assert submission.resolved is not None
    assert [ref.version for ref in submission.resolved.references.values() if ref.address == SUM] == [
        project.records[SUM].run
    ]
    assert project.latest(NEXT).status is RunStatus.COMPLETED


def test_an_equal_output_runs_nothing_that_reads_it():
    project = InMemoryProject()
    project.converge(CHAINED)
    plans = project.converge(CHAINED, requested=RERUN)
    assert [
        submission.address for plan in plans for submission in plan.submissions if submission.known_after is None
    ] == [SUM]


def reusing(project: InMemoryProject, other: State, files: Files, **fields: str) -> Plan:
    """Return the plan of a target that may adopt the runs of another one."""
    state = project.state()._replace(read_reuse_states=lambda: {"staging": other}, **fields)
    return run_plan_pipeline(PlanInputs(project.desired(files), state, plan_options_of(files)))[0]


def test_a_completed_run_of_another_target_is_adopted_under_a_token_of_this_one():
    staging, prod = InMemoryProject(), InMemoryProject()
    staging.converge(small())
    other = staging.state()._replace(lineage="2" * 32)
    assert action_on(reusing(prod, other, small()), SUM).op is Op.SUBMIT  # its tokens are not of that lineage
    plan = reusing(prod, staging.state(), small())
    action = action_on(plan, SUM)
    assert action.op is Op.ADOPT
    assert action.run is not None
    assert (action.run.realised["adopted_from"]["target"], action.run.attempt) == ("staging", 1)
    assert action_on(plan, TOTAL).known_after is None
    assert plan.submissions == ()


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.RUNNING, RunStatus.CANCELED])
def test_a_run_of_another_target_that_did_not_complete_is_not_adopted(status):
    staging = InMemoryProject()
    staging.apply(small())
    staging.end(status)
    assert action_on(reusing(InMemoryProject(), staging.state(), small()), SUM).op is Op.SUBMIT


def test_a_run_whose_outputs_are_in_another_store_is_not_adopted_and_noted():
    staging = InMemoryProject()
    staging.converge(small())
    other = staging.state()._replace(store_id="a")
    plan = reusing(InMemoryProject(), other, small(), store_id="b")
    assert action_on(plan, SUM).op is Op.SUBMIT
    assert any("but its outputs are in another store" in note for note in plan.notes)
    assert action_on(reusing(InMemoryProject(), other, small(), store_id="a"), SUM).op is Op.ADOPT


def test_other_targets_are_read_only_if_a_job_would_be_submitted(project):
    project.end(RunStatus.COMPLETED)
    project.converge(small())

    def fail() -> Mapping[str, State]:
        raise AssertionError

    state = project.state()._replace(read_reuse_states=fail)
    assert run_plan_pipeline(PlanInputs(project.desired(small()), state, plan_options_of(small())))[0].actions == ()


def test_returning_to_an_earlier_definition_adopts_its_run_and_submits_nothing():
    project = InMemoryProject()
    project.converge(small())
    first = project.latest().id
    project.converge(TRIPLED)
    plan = project.plan(small())
    action = action_on(plan, SUM)
    assert (action.op, action.run and action.run.id) == (Op.ADOPT, first)
    assert plan.submissions == ()
    assert action_on(plan, TOTAL).version == "3"


@pytest.mark.parametrize("failure", ["user", "timeout"])
def test_a_user_failure_is_not_retried(project, failure):
    project.end(RunStatus.FAILED, failure)
    plan = project.plan(small())
    assert plan.actions == ()
    (failed,) = (blocked for blocked in plan.blocked if blocked.failed)
    assert "mlgit job rerun sum" in failed.message


def test_a_canceled_run_is_not_retried(project):
    project.end(RunStatus.CANCELED, "user")
    plan = project.plan(small())
    assert (plan.actions, plan.blocked[0].failed) == ((), True)
    assert "was canceled" in plan.blocked[0].message


def test_a_failed_run_is_run_again_on_request(project):
    project.end(RunStatus.FAILED, "user")
    assert submitted(project, requested=RERUN).attempt == 2


def test_a_changed_job_runs_again_after_a_failure(project):
    project.end(RunStatus.FAILED, "user")
    run = action_on(project.plan(TRIPLED), SUM).run
    assert run is not None
    assert run.attempt == 1


@pytest.mark.parametrize(
    ("status", "failure"), [(RunStatus.LOST, ""), (RunStatus.FAILED, "staging"), (RunStatus.FAILED, "engine")]
)
def test_infrastructure_failures_are_retried_up_to_the_limit(project, status, failure):
    attempts = []
    while True:
        attempts.append(project.latest().attempt)
        project.end(status, failure)
        plan = project.apply(small())
        if not plan.submissions:
            break
        assert f"(attempt {attempts[-1] + 1} of 3)" in plan.submissions[0].reason
    assert attempts == [1, 2, 3]
    assert plan.blocked[0].failed


def test_an_attempt_has_a_token_of_its_own(project):
    first = project.latest()
    project.end(RunStatus.LOST)
    second = submitted(project)
    assert first.fingerprint == second.fingerprint
    assert (first.token, first.id) != (second.token, second.id)


def test_an_interrupted_submission_is_repeated_with_the_same_token(project):
    intended = replace(project.latest(), status=RunStatus.INTENDED)
    project.runs[SUM, intended.id] = intended
    retry = submitted(project)
    assert (retry.id, retry.token, retry.attempt) == (intended.id, intended.token, 1)
    assert "was not completed" in action_on(project.plan(small()), SUM).reason


def test_an_interrupted_submission_that_the_backend_has_is_not_repeated(project):
    intended = replace(project.latest(), status=RunStatus.INTENDED)
    project.runs[SUM, intended.id] = intended
    assert project.plan(small(), reports=observed(project, RunStatus.RUNNING)).actions == ()


def test_a_run_that_is_requested_beyond_the_retries_does_not_count_beyond_their_number(project):
    for _ in range(3):
        project.end(RunStatus.LOST)
        plan = project.apply(small(), requested=frozenset({SUM}))
    assert plan.submissions[0].reason == "attempt 3 was lost (attempt 4)"


def test_a_lost_run_is_recorded_before_it_is_tried_again(project):
    plan = project.plan(small(), reports=observed(project, RunStatus.LOST))
    assert action_keys(plan)[:2] == ["record job/sum", "submit job/sum"]
    assert action_on(plan, SUM, Op.SUBMIT).needs[0] == ActionId(Op.RECORD, SUM)


def test_a_superseded_run_never_becomes_current(project):
    first = project.latest()
    project.apply(TRIPLED)
    second = project.latest()
    assert first.id != second.id
    reports = {first.id: condition_of(RunStatus.COMPLETED, {"outputs": {"total": {}}})}
    assert action_keys(project.apply(TRIPLED, reports=reports)) == [f"record job/sum@{first.id}"]
    assert (project.records[SUM].run, project.records[SUM].unfinished) == ("", (second.id,))
    assert project.runs[SUM, first.id].status is RunStatus.COMPLETED
    project.end(RunStatus.COMPLETED)
    assert project.records[SUM].run == second.id
    assert [action.version for action in project.converge(TRIPLED)[0].actions] == ["1"]


def test_a_completed_run_whose_outputs_were_never_stored_is_recorded_again_before_anything_uses_them(project):
    run = project.latest()
    project.runs[SUM, run.id] = replace(run, status=RunStatus.COMPLETED, outputs={"total": {"files": 1, "size": 2}})
    assert action_on(project.plan(small()), TOTAL).known_after == SUM
    reports = observed(project, RunStatus.COMPLETED, outputs={"total": {"files": 1, "size": 2}})
    assert action_keys(project.plan(small(), reports=reports)) == ["record job/sum", "register model/total"]


def test_a_job_that_returns_to_git_runs_again_after_its_cancel(project):
    removed = without("jobs/sum.yml", without("models/total.yml"))
    assert action_keys(project.apply(removed)) == [f"cancel job/sum@{project.latest().id}", "archive job/sum"]
    assert project.plan(removed).actions == ()
    retry = action_on(project.apply(small()), SUM)
    assert (retry.op, retry.run and retry.run.attempt) == (Op.SUBMIT, 2)
    assert "was canceled when the job left Git" in retry.reason


def test_a_run_of_a_removed_backend_blocks_its_job(project):
    renamed = edited("mlgit.yml", "backends: {local:", "backends: {here:")
    renamed = edited("mlgit.yml", 'compute: {"*": local}', 'compute: {"*": here}', renamed)
    plan = project.plan(renamed)
    assert plan.submissions == ()
    assert "its backend local is not in mlgit.yml" in plan.blocked[0].message
    assert plan.blocked[0].run is None


def test_a_superseded_run_that_is_wanted_again_is_resubmitted(project):
    first = project.latest()
    project.apply(TRIPLED)
    retry = action_on(project.apply(small()), SUM)
    assert (retry.op, retry.run and retry.run.token) == (Op.SUBMIT, first.token)
    assert project.records[SUM].latest == first.id
    assert project.plan(small()).actions == ()


def test_a_rerun_that_completes_becomes_current_and_one_that_fails_does_not():
    project = InMemoryProject()
    project.converge(small())
    first = project.latest().id
    for status, current in ((RunStatus.FAILED, False), (RunStatus.COMPLETED, True)):
        project.apply(small(), requested=RERUN)
        run = project.latest().id
        project.end(status, "user")
        assert project.records[SUM].run == (run if current else first)
    assert action_keys(project.plan(small())) == ["register model/total"]


def test_a_manual_job_is_not_run_by_a_plan():
    plan = InMemoryProject().plan(small(), runs=False)
    assert plan.submissions == ()
    assert "is run by hand: mlgit job rerun sum" in plan.blocked[0].message


def test_a_manual_job_that_is_known_later_is_not_planned_either():
    project = InMemoryProject()
    project.converge(CHAINED, requested=frozenset({SUM}), runs=False)
    assert NEXT not in project.records


def test_a_manual_job_runs_on_request():
    assert submitted(InMemoryProject(), runs=False, requested=RERUN).attempt == 1


def test_a_manual_job_that_ran_is_adopted():
    project = InMemoryProject()
    project.converge(small(), runs=False, requested=RERUN)
    assert project.records[SUM].run
    assert project.plan(small(), runs=False).actions == ()


def test_changing_compute_or_limits_of_a_job_is_an_update():
    project = InMemoryProject()
    project.converge(small())
    limited = edited("jobs/sum.yml", "factor: 2", "factor: 2\nlimits: {timeout: 60}\nresources: {instance_count: 1}")
    assert action_keys(project.plan(limited)) == ["update job/sum"]


def test_a_job_without_a_name_is_named_by_its_path():
    files = edited("jobs/sum.yml", "name: sum\n", "")
    files = edited("models/total.yml", "jobs/sum/outputs", "jobs/x/outputs", files)
    del files["models/total.yml"]
    run = action_on(InMemoryProject().plan(files), Address("job", "jobs/sum")).run
    assert run is not None
    assert run.id.startswith("sum-")


@pytest.mark.parametrize(
    ("status", "ended"),
    [(RunStatus.CANCELED, "was canceled"), (RunStatus.FAILED, "failed"), (RunStatus.LOST, "was lost")],
)
def test_assets_behind_a_failed_run_are_held_back(status, ended):
    project = InMemoryProject()
    project.apply(small())
    for _ in range(5):  # what is lost is tried again first
        project.end(status, "user" if status is RunStatus.FAILED else "")
        project.apply(small())
    (held_back,) = (blocked for blocked in project.plan(small()).blocked if blocked.address == TOTAL)
    assert held_back.message == f"held back: job/sum {ended}"


def test_an_exact_version_that_exists_is_not_waited_for(project):
    project.end(RunStatus.COMPLETED)
    project.converge(small())
    pinned = edited("jobs/sum.yml", "azureml:numbers@latest", "azureml:numbers:1")
    pinned = edited("jobs/sum.yml", "factor: 2", "factor: 3", pinned)
    plan = project.plan(edited("data/numbers.csv", "1", "9", pinned))
    assert action_on(plan, NUMBERS).key not in action_on(plan, SUM, Op.SUBMIT).needs
