"""The design's section 4 on versions, runs, what is known later and what is latest, sentence by sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from design.held import ROOT, missing
from planning.world import NUMBERS, SUM, TOTAL, World, action_on, declared_by, done, edited, policy_of, small
from workspaces import commit, edit

from reconciler.diagnostics import Severity, Span
from reconciler.format.assets import check_references
from reconciler.model import Address, Op, RunStatus
from reconciler.planning.resolve import referencable
from reconciler.render import plan_json
from reconciler.runner.command import substitute_expressions
from reconciler.runner.spec import RunSpec
from reconciler.runner.workdir import prepare_workdir

ELSEWHERE = {
    "`version: 3` live with another fingerprint is a diagnostic at the `version:` line": (
        "tests/planning/test_plan.py::test_a_declared_version_is_immutable_at_its_line"
    ),
    "(an older version, too)": "tests/planning/test_plan.py::test_an_older_version_is_immutable_too",
    "No version declared: ... changed registers the next integer": (
        "tests/planning/test_plan.py::test_versions_are_numbered_if_none_is_declared"
    ),
    "unchanged is a no-op": (
        "tests/planning/test_plan.py::test_a_converged_state_needs_no_changes_whatever_was_applied_before"
    ),
    "`version: 1.10` unquoted is a diagnostic that shows the raw text": (
        "tests/format/test_assets.py::test_a_version_that_yaml_reads_as_a_different_number_is_reported_as_written"
    ),
    "A job whose older *completed* run has the wanted fingerprint adopts it, without a submission": (
        "tests/planning/test_runs.py::test_returning_to_what_ran_before_adopts_that_run_and_submits_nothing"
    ),
    "an asset that returns to older content registers the next version": (
        "tests/planning/test_plan.py::test_older_content_registers_the_next_version"
    ),
    "bytes shared": "tests/storage/test_store.py::test_putting_the_same_again_copies_nothing",
    "Only a completed run becomes current; a successful `rerun` moves it, a failed one does not.": (
        "tests/planning/test_runs.py::test_a_rerun_that_completes_becomes_current_and_one_that_fails_does_not"
    ),
    "A superseded run finishes and never registers.": (
        "tests/engine/test_run_ends.py::test_superseded_runs_are_recorded_when_they_end_and_never_become_current"
    ),
    "or `on_supersede: cancel`": (
        "tests/engine/test_run_ends.py"
        "::test_on_supersede_cancels_a_superseded_run_and_resubmits_it_when_its_job_returns"
    ),
    "Queued, running ...: no action.": (
        "tests/planning/test_runs.py::test_a_job_that_runs_is_left_to_run_and_what_follows_from_it_waits"
    ),
    "A failure of the user's code ... is sticky": ("tests/planning/test_runs.py::test_a_user_failure_is_not_retried"),
    "or a cancel": "tests/planning/test_runs.py::test_a_canceled_run_is_not_retried",
    "run again only with `job rerun`": (
        "tests/engine/test_failed_runs.py::test_a_canceled_job_is_not_resubmitted_until_a_rerun"
    ),
    "or `--replace`": "tests/engine/test_failed_runs.py::test_replace_on_a_failed_job_runs_it_again",
    "Lost, preempted, staging and engine failures are retried ..., at most `retries: 2`, shown in the plan.": (
        "tests/planning/test_runs.py::test_infrastructure_failures_are_retried_up_to_the_limit"
    ),
    "Every run is called `<job>-<8 hex of token>`": (
        "tests/planning/test_runs.py::test_a_run_is_named_after_its_job_and_its_token"
    ),
    "... is the declared job named X (its current run)": (
        "tests/planning/test_runs.py::test_a_job_on_the_output_of_another_runs_after_it"
    ),
    "An apply that does not wait leaves it *waiting*; the next apply, by anyone, advances it.": (
        "tests/engine/test_concurrent_applies.py::test_the_next_apply_records_the_runs_of_an_apply_that_did_not_wait"
    ),
    "Versions have a `seq` that the plan allots": (
        "tests/planning/test_plan.py::test_version_order_continues_after_an_older_one_was_declared_again"
    ),
    "latest is the highest not archived": ("tests/cli/test_archive.py::test_latest_ignores_archived_versions"),
    "Labels are resolved when planning, against desired ...": (
        "tests/planning/test_plan.py::test_latest_is_what_the_plan_itself_registers"
    ),
    "... and live together": ("tests/planning/test_plan.py::test_what_is_live_and_not_declared_can_be_referenced"),
    "A job that reads by label what it (or what follows from it) registers is a cycle, shown with its path.": (
        "tests/planning/test_graph.py"
        "::test_a_job_that_reads_by_label_what_follows_from_it_is_a_cycle_shown_with_its_path"
    ),
    "... by label: an exact version that is live is no cycle": (
        "tests/planning/test_graph.py::test_an_exact_version_that_is_live_closes_no_cycle"
    ),
    "The controller submits one job address at most `limits.runs_per_day` times without a new commit.": (
        "tests/controller/test_bounds.py::test_a_run_that_is_lost_repeatedly_is_started_up_to_runs_per_day"
    ),
    "(default 5)": "tests/config/test_config.py::test_the_limit_of_the_controller_and_the_drift_policies_can_be_set",
}
# Where docs/architecture.md says, in these words, that and why it is otherwise.
OTHERWISE = {
    "in natural version order": "`@latest` means the *current* version of an asset, which is the highest `seq` except",
}

TRIPLED = edited("jobs/sum.yml", "factor: 2", "factor: 3")


@pytest.fixture
def world() -> World:
    made = World()
    made.settle(small())
    return made


def named(run: str, files: dict[str, str] | None = None) -> dict[str, str]:
    """Return files whose model is what one run made, named by itself."""
    return edited("models/total.yml", "jobs/sum/", f"jobs/{run}/", files)


def test_what_is_held_elsewhere_is_there():
    assert missing(ELSEWHERE) == []


def test_what_is_otherwise_is_explained():
    page = " ".join((ROOT / "docs/architecture.md").read_text(encoding="utf-8").split())
    assert [words for words in OTHERWISE.values() if words not in page] == []


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        ("data/numbers.csv", "3", "4", "path changed (numbers.csv)"),
        ("data/numbers.yml", "uri_file", "uri_folder", "type uri_file -> uri_folder"),
        ("environments/plain.yml", "image: python", "image: other", "image python -> other"),
        ("environments/plain.yml", "image: python", "image: python\nos_type: linux", "os_type added: linux"),
    ],
)
def test_an_immutable_version_is_refused_with_the_field_level_difference_and_the_hint_to_raise_it(
    file, before, after, said
):
    """... with the field-level difference and the hint to raise it."""
    versioned = edited("data/numbers.yml", "type:", "version: 3\ntype:")
    versioned = edited("environments/plain.yml", "image:", "version: 3\nimage:", versioned)
    world = World()
    world.settle(versioned)
    _, (problem,) = world.look(edited(file, before, after, versioned))
    assert problem.message.endswith(f"@3 is already registered with different content: {said}")
    assert "raise the version" in problem.hint


def test_no_value_of_a_secret_is_in_the_field_level_difference():
    """The same sentence, and section 5: no record, plan, log or traceback shows a secret."""
    files = edited("environments/plain.yml", "image:", 'version: "3"\nimage:')
    conda = "conda_file: {dependencies: ["
    secret = edited("environments/plain.yml", conda, f"{conda}x=1, ", files)
    secret = edited(
        "environments/plain.yml", "{dependencies", "{credentials: {password: hunter2}, dependencies", secret
    )
    world = World()
    world.settle(secret)
    _, problems = world.look(edited("environments/plain.yml", "hunter2", "hunter3", secret))
    assert [problem.code for problem in problems] == ["version-immutable"]
    assert "conda_file.credentials.password" in problems[0].message
    assert "hunter" not in problems[0].message


def test_plan_compares_desired_with_the_current_version_only(world):
    """Each address has one current version or run; plan compares desired with that only."""
    world.settle(edited("data/numbers.csv", "3", "4"))
    first = world.versions[NUMBERS, "1"]
    world.versions[NUMBERS, "1"] = replace(first, fingerprint="damaged", contents={}, spec={})
    assert world.plan(edited("data/numbers.csv", "3", "4")).actions == ()
    assert action_on(world.plan(small()), NUMBERS).version == "3"


def test_the_name_of_a_run_is_what_name_expands_to(tmp_path: Path):
    """Every run is called `<job>-<8 hex of token>`; that is what `${{name}}` expands to."""
    spec = RunSpec("t", "sum-0123abcd", "job/sum", "", tmp_path, tmp_path, (), {}, {}, (), {}, {})
    values = prepare_workdir(spec, lambda: None).values
    assert substitute_expressions("echo --run ${{name}}", values) == "echo --run sum-0123abcd"
    assert declared_by(edited("jobs/sum.yml", "sum.py ", "sum.py --run ${{name}} ")).diagnostics == ()


def test_an_output_of_what_is_no_job_is_that_of_the_run_of_that_name(world):
    """`azureml://jobs/X/outputs/...` is the declared job named X (its current run), else the run named X."""
    first = world.latest().id
    assert world.plan(named(first)).actions == (), "it is the same run"
    world.settle(TRIPLED)
    found = action_on(world.apply(named(first, TRIPLED)), TOTAL)
    assert found.resolved is not None
    assert str(found.resolved.references["/path"]) == f"job/sum@{first} outputs/total"
    assert world.plan(named(first, TRIPLED)).actions == ()


def test_a_job_can_read_what_one_run_made(world):
    """... else the run named X: for a job, too."""
    text = small()["jobs/sum.yml"].replace("name: sum", "name: next")
    files = {**small(), "jobs/next.yml": text.replace("azureml:numbers@latest", "azureml://jobs/{}/outputs/total")}
    by_job = edited("jobs/next.yml", "{}", "sum", files)
    world.settle(by_job)
    by_run = edited("jobs/next.yml", "/{}/", f"/{world.latest().id}/", files)
    assert world.plan(by_run).actions == (), "the same bytes run nothing again"


def test_a_model_is_registered_from_the_run_that_its_path_names(applied, mlgit):
    """... else the run named X: from the files to the live state."""
    (run,) = (load["run"] for load in json.loads(mlgit("job", "list", "--format", "json", cwd=applied).out))
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    edit(applied, "models/total.yml", "name: total", "name: first-total")
    edit(applied, "models/total.yml", "jobs/sum/", f"jobs/{run}/")
    commit(applied)
    assert mlgit("validate", cwd=applied).code == 0
    ended = mlgit("apply", "--auto-approve", "--select", "model/first-total", cwd=applied)
    assert ended.code == 0, ended.err
    (model,) = json.loads(mlgit("list", "model", "--format", "json", cwd=applied).out)[:1]
    assert (model["address"], model["lineage"]["run"]) == ("model/first-total", run)


def test_a_run_that_made_nothing_cannot_be_named(world):
    """... else dangling: what a run has not made is refused where the path stands."""
    world.apply(TRIPLED)
    second = world.latest().id
    world.end(RunStatus.FAILED, "user")
    _, problems = world.look(named(second, TRIPLED))
    assert [(problem.code, problem.span) for problem in problems] == [
        ("reference-unresolved", Span("models/total.yml", 4, 7))
    ]
    assert f"names run {second}, which is failed and has no output total" in problems[0].message


@pytest.mark.parametrize("name", ["sum-01234567", "other", "sum"])
def test_what_names_neither_a_job_nor_a_run_is_dangling(name, world):
    """... else dangling."""
    live = world.live()
    bare = {path: text for path, text in named(name).items() if path != "jobs/sum.yml"}
    gone = {SUM} if name == "sum" else ()
    found = check_references(declared_by(bare), referencable(live, gone))
    assert [(diagnostic.code, diagnostic.severity) for diagnostic in found] == [("reference-dangling", Severity.ERROR)]
    assert check_references(declared_by(named(world.latest().id)), referencable(live)) == ()


def test_the_fingerprint_of_a_derived_model_is_its_run_and_output_path(world):
    """A model with that path is derived: its fingerprint is (run, output path)."""
    below = edited("models/total.yml", "outputs/total", "outputs/total/paths/total.txt")
    assert done(world.plan(below)) == ["register model/total"]
    world.apply(small(), requested=frozenset({SUM}))
    world.end(RunStatus.COMPLETED)
    runs = [run for (address, _), run in world.runs.items() if address == SUM]
    assert [run.outputs for run in runs] == [runs[0].outputs] * 2
    assert done(world.plan(small())) == ["register model/total"], "another run, though it made the same"


def test_until_the_run_completes_the_plan_says_after_what_the_rest_is_known():
    """Until the run completes the plan says "known after job/train"."""
    plan = World().plan(small())
    (told,) = (
        each for each in plan_json.plan_body(plan, policy_of(small()))["actions"] if each["address"] == "model/total"
    )
    assert (told["known_after"], told["sentence"]) == ("job/sum", "model/total: new version, known after job/sum")


def test_the_plan_records_to_what_a_label_was_resolved(world):
    """The plan records to what."""
    body = plan_json.plan_body(world.plan(edited("data/numbers.csv", "3", "4")), policy_of(small()))
    (job,) = (load for load in json.loads(json.dumps(body))["actions"] if load["address"] == "job/sum")
    assert job["references"] == {"/environment": "environment/plain@1", "/inputs/numbers/path": "data/numbers@2"}


def test_a_completed_run_of_the_wanted_fingerprint_means_no_action(world):
    """A job runs once per fingerprint. Queued, running or completed with it: no action."""
    assert (world.plan(small()).actions, world.plan(small()).blocked) == ((), ())
    other = edited("jobs/sum.yml", "name: sum", "name: twin")
    assert (
        action_on(world.plan({**small(), "jobs/twin.yml": other["jobs/sum.yml"]}), Address("job", "twin")).op
        is Op.SUBMIT
    )
