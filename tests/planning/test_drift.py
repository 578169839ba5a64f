from __future__ import annotations

from dataclasses import replace

import pytest
from planning.project import (
    NUMBERS,
    PLAIN,
    SUM,
    TOTAL,
    InMemoryProject,
    action_keys,
    condition_of,
    edited,
    plan_options_of,
    small,
)

from reconciler.config.config import Config
from reconciler.model import Address, Observation, Op, Plan, RunStatus
from reconciler.planning.drift import (
    Drift,
    DriftPolicy,
    drift_policy_of,
    find_drift,
    with_drift,
    with_repairs,
)
from reconciler.planning.pipeline import run_plan_pipeline
from reconciler.planning.plan import PlanInputs

pytestmark = pytest.mark.fast

KEY, MADE = "a" * 32, "b" * 32
CPU = Address("compute", "cpu")
COMPUTE = "$schema: https://azuremlschemas.azureedge.net/latest/amlcompute.schema.json\nname: cpu\ntype: amlcompute\n"


def config(drift: str = "{}", more: str = "") -> Config:
    files = edited("mlgit.yml", "store:", f"drift: {drift}\n{more}store:")
    return plan_options_of(files).config


@pytest.fixture
def project() -> InMemoryProject:
    """Return a project in which everything is applied, content in the store."""
    applied = InMemoryProject()
    applied.converge({**small(), "compute/cpu.yml": COMPUTE})
    applied.records[NUMBERS] = replace(
        applied.records[NUMBERS],
        source="data/numbers.yml",
        realised={"contents": {"/path": {"md5": KEY}}},
    )
    applied.records[TOTAL] = replace(
        applied.records[TOTAL],
        contents={},
        realised={"contents": {"/path": {"md5": MADE}}},
        lineage={"commit": "commit1", "job": "job/sum"},
    )
    applied.records[SUM] = replace(applied.records[SUM])
    key = (SUM, applied.records[SUM].run)
    applied.runs[key] = replace(applied.runs[key], outputs={"total": {"md5": MADE}})
    return applied


def drift_of(project: InMemoryProject, observation: Observation, settings: Config | None = None) -> dict[str, Drift]:
    all_drift = find_drift(project.state(), observation, settings or config(), project.trees.get)
    return {drift.subject: drift for drift in all_drift}


def planned(project: InMemoryProject, observation: Observation, drift: str = "{}") -> Plan:
    files = edited("mlgit.yml", "store:", f"drift: {drift}\nstore:", {**small(), "compute/cpu.yml": COMPUTE})
    plan, diagnostics = run_plan_pipeline(
        PlanInputs(project.desired(files), project.state(), plan_options_of(files), observation)
    )
    assert diagnostics == ()
    return plan


def test_a_state_that_matches_the_providers_has_no_drift(project):
    assert drift_of(project, Observation()) == {}
    assert planned(project, Observation()).drift == ()


def test_missing_content_is_restored_from_git(project):
    all_drift = drift_of(project, Observation(missing_contents=frozenset({KEY})))
    assert [str(drift) for drift in all_drift.values()] == [
        "data/numbers@1: its content is gone from the store; apply restores it from Git"
    ]
    plan = planned(project, Observation(missing_contents=frozenset({KEY})))
    assert [(action.op, action.address, action.version) for action in plan.actions] == [(Op.REPAIR, NUMBERS, "1")]
    assert len(plan.drift) == 1
    assert [*plan.preconditions] == [str(NUMBERS)]


def test_missing_content_that_git_no_longer_has_is_reported_but_not_repaired(project):
    project.trees.clear()
    all_drift = drift_of(project, Observation(missing_contents=frozenset({KEY})))
    assert all_drift["data/numbers@1"].remedy == "restore the store"
    assert planned(project, Observation(missing_contents=frozenset({KEY}))).actions == ()


def test_missing_outputs_of_a_run_are_made_again_by_rerunning_the_job(project):
    all_drift = drift_of(project, Observation(missing_contents=frozenset({MADE})))
    assert {drift.remedy for drift in all_drift.values()} == {"`mlgit job rerun sum` makes it again"}
    assert [*all_drift] == [str(SUM), "model/total@1"]
    assert planned(project, Observation(missing_contents=frozenset({MADE}))).actions == ()


def test_damaged_content_is_reported_with_its_files(project):
    all_drift = drift_of(project, Observation(damaged_files={KEY: ("/store/aa",)}))
    message = "its content in the store is damaged: /store/aa; remove that; then apply restores it from Git"
    assert message in str(all_drift["data/numbers@1"])
    assert planned(project, Observation(damaged_files={KEY: ("/store/aa",)})).actions == ()


def test_a_lost_run_is_retried_as_often_as_mlgit_yml_allows(project):
    project.apply(edited("jobs/sum.yml", "factor: 2", "factor: 3"))
    run = project.latest()
    observation = Observation({run.id: condition_of(RunStatus.LOST, message="nobody there")})
    assert drift_of(project, observation)[str(SUM)].message == f"run {run.id} was lost: nobody there"
    assert drift_of(project, observation)[str(SUM)].remedy == "apply runs it again, as attempt 2 of 3"
    no_more = config(more="retries: 0\n")
    assert drift_of(project, observation, no_more)[str(SUM)].remedy.endswith("`mlgit job rerun sum` runs it again")


def test_a_run_that_ended_by_itself_is_no_drift(project):
    project.apply(edited("jobs/sum.yml", "factor: 2", "factor: 3"))
    assert (
        drift_of(project, Observation({project.latest().id: condition_of(RunStatus.COMPLETED, {"outputs": {}})})) == {}
    )


def test_a_lost_run_is_not_retried_if_drift_is_only_shown(project):
    files = edited("jobs/sum.yml", "factor: 2", "factor: 3")
    files = edited("mlgit.yml", "store:", "drift: {job: warn}\nstore:", files)
    project.apply(files)
    observation = {project.latest().id: condition_of(RunStatus.LOST)}
    plan = project.plan(files, reports=observation)
    assert [action.op for action in plan.actions if action.address == SUM] == [Op.RECORD]
    message = next(blocked.message for blocked in plan.blocked if blocked.address == SUM)
    assert message.startswith(f"run {project.latest().id} was lost;")


def test_a_compute_whose_backend_was_removed_is_bound_to_another(project):
    other = config().backends | {"big": {"type": "local"}}
    settings = config()._replace(backends={"big": other["big"]}, compute={"*": "big"})
    drift = drift_of(project, Observation(), settings)[str(CPU)]
    assert drift.message == "it is bound to the backend local, which is no longer in mlgit.yml"
    assert drift.remedy == "apply binds it to big"
    unbound = settings._replace(compute={})
    assert "under compute:" in drift_of(project, Observation(), unbound)[str(CPU)].remedy


def test_a_run_on_a_removed_backend_is_drift(project):
    project.apply(edited("jobs/sum.yml", "factor: 2", "factor: 3"))
    settings = config()._replace(backends={"big": {"type": "local"}}, compute={"*": "big"})
    assert "which is no longer in mlgit.yml" in drift_of(project, Observation(), settings)[str(SUM)].message


def test_an_environment_that_is_not_built_on_this_machine_is_only_local_drift(project):
    observation = Observation(unbuilt_environments=frozenset({project.records[PLAIN].fingerprint}))
    all_drift = drift_of(project, observation)
    assert [drift.local for drift in all_drift.values()] == [True]
    plan = planned(project, observation)
    assert (plan.actions, plan.drift) == ((), ())


def test_an_environment_is_built_again_if_mlgit_yml_says_repair(project):
    observation = Observation(unbuilt_environments=frozenset({project.records[PLAIN].fingerprint}))
    plan = planned(project, observation, "{environment: repair}")
    assert [(action.op, action.address) for action in plan.actions] == [(Op.REPAIR, PLAIN)]


def test_an_unexpected_store_is_one_drift_and_nothing_is_repaired(project):
    plan = planned(project, Observation(unexpected_store="/srv/store"))
    assert (len(plan.drift), plan.actions) == (1, ())


def test_ignored_assets_are_not_checked_for_drift(project):
    observation = Observation(missing_contents=frozenset({KEY, MADE}))
    assert [*drift_of(project, observation, config('{"data/*": ignore}'))] == [str(SUM), "model/total@1"]


def test_drift_with_policy_warn_is_not_repaired(project):
    plan = planned(project, Observation(missing_contents=frozenset({KEY})), "{data: warn}")
    assert plan.actions == ()
    assert plan.drift[0].endswith("; set drift: repair in mlgit.yml to let apply restore it from Git")


@pytest.mark.parametrize(
    ("drift", "policy"),
    [
        ("{}", DriftPolicy.REPAIR),
        ('{"*": warn}', DriftPolicy.WARN),
        ('{"*": warn, "data/*": ignore}', DriftPolicy.IGNORE),
        ('{"data/*": ignore, "*": warn}', DriftPolicy.IGNORE),
        ("{data: warn, data/numbers: repair}", DriftPolicy.REPAIR),
        ("{model: ignore}", DriftPolicy.REPAIR),
        ('{"*": warn, data: write-back}', DriftPolicy.WRITE_BACK),
    ],
)
def test_the_longest_matching_glob_decides_the_drift_policy(drift, policy):
    assert drift_policy_of(config(drift), NUMBERS) is policy


def test_an_asset_that_gets_a_new_version_is_not_repaired_first(project):
    files = edited("data/numbers.csv", "3\n", "4\n", {**small(), "compute/cpu.yml": COMPUTE})
    observation = Observation(missing_contents=frozenset({KEY}))
    plan, _ = run_plan_pipeline(
        PlanInputs(project.desired(files), project.state(), plan_options_of(files), observation)
    )
    assert [action.op for action in plan.actions if action.address == NUMBERS] == [Op.NEW_VERSION]


def test_approved_repairs_are_kept_in_a_plan_made_without_refresh(project):
    approved = planned(project, Observation(missing_contents=frozenset({KEY})))
    later = planned(project, Observation())
    assert action_keys(with_repairs(later, approved)) == ["repair data/numbers"]
    assert with_repairs(approved, approved) == approved


def test_drift_changes_nothing_else_of_a_plan(project):
    plan = planned(project, Observation())
    observation = Observation(damaged_files={KEY: ("x",)})
    assert with_drift(plan, project.state(), observation, config(), project.trees.get)._replace(drift=()) == plan


def test_a_tag_that_has_moved_is_drift_with_the_image_that_it_stands_for_now(project):
    plan = planned(project, Observation(moved_bases={PLAIN: "python@sha256:1234"}))
    (drift,) = plan.drift
    assert drift.startswith("environment/plain@1: the tag python has moved since it was built: it is python@sha256:12")
    assert drift.endswith("write image: python@sha256:1234 in its file to use that")
    assert not plan.actions
