"""--set PATH=VALUE: a job with other values than those of its file, in plan and in job rerun."""

from __future__ import annotations

import json
import re

import pytest
from workspaces import APPLY, SPARK, commit, edit, git, write

PLAN = ("plan", "--select", "job/sum")
WRONG = (
    "inputs.factor",
    "inputs.facto=3",
    "comand=echo",
    "environment.image=f",
    "tags[0]=1",
    "name=other",
    "tags={a",
    "limits.timeout=abc",
    "environment_variables.API_KEY=geheim123",
)


def test_a_plan_with_set_shows_what_the_values_change_and_how_to_run_the_job_so(applied, mlgit, golden):
    planned = mlgit(*PLAN, "--set", "inputs.factor=3", "environment_variables.MODE=a b", cwd=applied)
    assert (planned.code, planned.err) == (0, "")
    golden("cli/set/plan.txt", planned.out)
    assert mlgit("plan", cwd=applied).out.startswith("No changes.")


def test_a_value_that_is_what_the_file_says_changes_nothing(applied, mlgit):
    assert mlgit(*PLAN, "--set", "inputs.factor=2", cwd=applied).out.startswith("No changes")


def test_all_that_is_wrong_with_options_is_reported_at_the_options(small, mlgit, golden):
    planned = mlgit(*PLAN, "--set", *WRONG, cwd=small)
    assert (planned.code, planned.out) == (1, "")
    golden("cli/set/wrong.txt", planned.err)


@pytest.mark.parametrize("form", ["json", "markdown", "github"])
def test_every_form_of_output_names_the_option(small, mlgit, form):
    planned = mlgit(*PLAN, "--set", "inputs.facto=3", "--format", form, cwd=small)
    assert planned.code == 1
    assert "--set inputs.facto=3: this job has no input facto" in planned.out.replace("\\", "")


def test_what_files_and_providers_say_of_a_value_has_the_option_as_its_place(small, mlgit, golden):
    values = ("code=../other", "environment=azureml:other@latest", "command=echo ${{inputs.other}} ${inputs.factor}")
    golden("cli/set/files.txt", mlgit(*PLAN, "--set", *values, cwd=small).err)
    values = ("resources.instance_count=2", "services.s.type=jupyter_lab", "outputs.total.mode=upload")
    refused = mlgit(*PLAN, "--set", *values, cwd=small)
    assert refused.code == 1
    golden("cli/set/refused.txt", refused.err + refused.out)


def test_what_is_wrong_in_the_file_because_of_an_option_names_the_option(small, mlgit, golden):
    planned = mlgit(*PLAN, "--set", "inputs={}", "tags.a=b", cwd=small)
    assert (planned.code, planned.out) == (1, "")
    golden("cli/set/cause.txt", planned.err)


def test_a_file_that_is_valid_only_with_the_options_can_be_planned_with_them(small, mlgit):
    edit(small, "jobs/sum.yml", "factor: 2", "other: 2")
    assert mlgit(*PLAN, cwd=small).code == 1
    assert mlgit(*PLAN, "--set", "inputs.factor=2", cwd=small).code == 0


def test_a_value_is_bound_to_an_environment_of_the_workspace_as_that_of_a_file_is(applied, mlgit):
    edit(applied, "mlgit.yml", "store:", "environments: {sklearn-1.5: environment/plain}\nstore:")
    commit(applied)
    planned = mlgit(*PLAN, "--set", "environment=azureml:AzureML-sklearn-1.5@latest", cwd=applied)
    assert "environment/azureml" not in planned.out
    assert "build" not in planned.out


def test_a_plan_names_no_command_for_a_job_that_cannot_run(small, mlgit):
    write(small, {"jobs/spark.yml": SPARK})
    planned = mlgit("plan", "--select", "job/jobs/spark", "--set", "args=--verbose", cwd=small)
    assert planned.code == 0
    assert "mlgit run" not in planned.out + planned.err


def test_the_options_count_for_a_revision_too(applied, mlgit):
    commit(applied, "more", {"data/more.yml": "name: more\ntype: uri_file\npath: numbers.csv\n"})
    planned = mlgit(*PLAN, "--ref", "HEAD~1", "--set", "inputs.factor=3", cwd=applied)
    assert "> new run of job/sum on local because inputs.factor 2 -> 3" in planned.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plan", "--set", "inputs.factor=3"), "--set needs the one job that it is for: --select job/NAME"),
        ((*PLAN, "--select", "data", "--set", "a=1"), "--set needs the one job that it is for: --select job/NAME"),
        ((*PLAN, "--set", "a=1", "-o", "plan.json"), "--set and --out cannot be used together"),
        ((*PLAN, "--set", "a=1", "--destroy"), "--set and --destroy cannot be used together"),
        (("plan", "--select", "job/su", "--set", "a=1"), "there is no job or run job/su"),
        ((*PLAN, "other", "--set", "a=1"), "unexpected extra argument"),
        ((*PLAN, "--set"), "requires an argument"),
    ],
)
def test_options_that_do_not_go_together_are_refused(small, mlgit, arguments, message):
    ended = mlgit(*arguments, cwd=small)
    assert (ended.code, ended.out) == (1, "")
    assert message in ended.err
    assert not (small / "plan.json").exists()


def test_several_values_follow_one_option_or_several(small, mlgit):
    one = mlgit(*PLAN, "--set", "inputs.factor=3", "display_name=x", "--format", "json", cwd=small).out
    several = mlgit(*PLAN, "--set=inputs.factor=3", "--set", "display_name=x", "--format", "json", cwd=small).out
    plans = [next(event for event in map(json.loads, out.splitlines()) if "body" in event) for out in (one, several)]
    assert plans[0]["digest"] == plans[1]["digest"]


def test_a_rerun_with_set_is_an_experiment_that_never_becomes_current(applied, mlgit, golden):
    current = json.loads(mlgit("show", "job/sum", "--format", "json", cwd=applied).out)
    for attempt in (1, 2):
        rerun = mlgit("job", "rerun", "sum", "--wait", "--set", "inputs.factor=3", cwd=applied)
        assert (rerun.code, rerun.err) == (0, "")
        golden(f"cli/set/rerun-{attempt}.txt", re.sub(r"completed after .*", "completed after # s.", rerun.out))
    assert json.loads(mlgit("show", "job/sum", "--format", "json", cwd=applied).out) == current
    assert mlgit("plan", cwd=applied).out.startswith("No changes.")
    assert len(mlgit("job", "list", "sum", cwd=applied).out.splitlines()) == 2 + 3


def test_an_apply_adopts_the_run_of_a_rerun_with_values_that_are_committed_then(applied, mlgit):
    assert mlgit("job", "rerun", "sum", "--wait", "--set", "inputs.factor=3", cwd=applied).code == 0
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(applied)
    adopted = mlgit(*APPLY, cwd=applied)
    assert "= job/sum: adopt run sum-" in adopted.out
    assert len(mlgit("job", "list", "sum", cwd=applied).out.splitlines()) == 2 + 2


def test_a_rerun_with_a_wrong_value_says_what_is_wrong_with_it(applied, mlgit):
    refused = mlgit("job", "rerun", "sum", "--set", "inputs.facto=3", cwd=applied)
    assert refused.code == 1
    assert refused.err.startswith("--set inputs.facto=3: error: this job has no input facto [set-unknown]")


def test_a_plan_with_set_writes_neither_files_nor_state(applied, mlgit):
    before = git(applied, "for-each-ref"), git(applied, "status", "--porcelain")
    mlgit(*PLAN, "--set", "inputs.factor=3", cwd=applied)
    assert (git(applied, "for-each-ref"), git(applied, "status", "--porcelain")) == before


def test_a_file_without_schema_is_not_taken_for_one_of_another_tool_because_of_an_option(small, mlgit):
    write(small, {"jobs/bare.yml": "command: echo\nenvironment: azureml:plain@latest\ncompute: local\n"})
    planned = mlgit("plan", "--select", "job/jobs/bare", "--set", "command=echo ${{inputs.no}}", cwd=small)
    assert planned.code == 1
    assert planned.err.startswith("--set command=echo ${{inputs.no}}: error: ")


def test_a_download_that_fails_is_reported_at_the_option_that_has_the_url(small, mlgit):
    path = "inputs.numbers.path=http://127.0.0.1:1/numbers.csv"
    config = (small / "mlgit.yml").read_text("utf-8")
    write(small, {"mlgit.yml": f"{config}local_hosts: [127.0.0.1]\n"})
    failed = mlgit("run", "jobs/sum.yml", "--set", path, cwd=small)
    assert failed.code == 1
    assert "--set inputs.numbers.path: error: http://127.0.0.1:1/numbers.csv cannot be reached" in failed.err
