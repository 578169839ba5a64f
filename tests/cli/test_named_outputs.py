"""What commands say of outputs that have a name: the file of the job declares a model or data beside the job."""

from __future__ import annotations

import json

import pytest
from workspaces import commit, edit, write

JOB, MODEL = "jobs/sum.yml", "models/total.yml"
USER = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    name: use
    command: ls ${{inputs.model}}
    environment: azureml:plain@latest
    compute: local
    inputs:
      model: {type: custom_model, path: azureml:iris@latest}
    """


@pytest.fixture
def named(small):
    """Return a workspace with a job that registers its output, and one that uses it."""
    (small / MODEL).unlink()
    edit(small, JOB, "total: {type: uri_folder}", "total: {type: custom_model, name: iris}")
    write(small, {"jobs/use.yml": USER})
    commit(small)
    return small


def test_files_that_are_named_know_what_the_outputs_of_others_declare(named, mlgit):
    for name in (JOB, "jobs/use.yml"):
        assert mlgit("validate", name, cwd=named).out == "1 file: fine.\n"
    model = "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\nname: iris\npath: ../src\n"
    write(named, {"models/iris.yml": model})
    for names in ((JOB, "models/iris.yml"), ("models/iris.yml",), (".",)):
        found = mlgit("validate", *names, cwd=named).out
        assert "models/iris.yml:2:7: error: model/iris is also declared in jobs/sum.yml:11:37" in found


def test_a_plan_says_that_the_model_is_known_after_its_job_and_its_user_after_the_same(named, mlgit):
    plan = mlgit("plan", cwd=named).out
    assert "+ model/iris" in plan
    assert plan.count("known after job/sum") == 2
    selected = mlgit("plan", "--select", JOB, "--format", "json", cwd=named).out
    changed = [json.loads(line).get("address") for line in selected.splitlines()]
    assert {"job/sum", "model/iris"} <= set(changed)
    assert "job/use" not in changed


def test_what_mlgit_run_uses_of_another_job_counts_as_it_is_live(named, mlgit):
    edit(named, "environments/plain.yml", "image: python", "imag: python")
    ended = mlgit("run", "jobs/use.yml", cwd=named)
    assert (ended.code, "imag" in ended.err) == (1, True)
    edit(named, "environments/plain.yml", "imag: python", "image: python")
    edit(named, JOB, "azureml:numbers@latest", "azureml:nubmers@latest")  # of no account for another job
    ended = mlgit("run", "jobs/use.yml", cwd=named)
    assert ended.code == 1
    assert "nubmers" not in ended.err
    assert "job/sum" in ended.err


def test_jobs_that_run_on_request_only_have_their_outputs_registered_after_they_ran_by_hand(named, mlgit):
    settings = (named / "mlgit.yml").read_text("utf-8")
    (named / "mlgit.yml").write_text(settings + 'assets: {include: [{glob: "**/*.yml", run: manual}]}\n', "utf-8")
    commit(named)
    plan = mlgit("plan", cwd=named).out
    assert "mlgit job rerun sum" in plan
    assert "model/iris" in plan


def test_a_job_that_is_edited_is_planned_with_what_it_registers_and_nothing_else_is_read(named, mlgit, read):
    mlgit("plan", cwd=named)
    edit(named, JOB, "name: iris", "name: rose")
    edit(named, "jobs/use.yml", "azureml:iris@latest", "azureml:rose@latest")
    commit(named)
    read.clear()
    assert "+ model/rose" in mlgit("plan", cwd=named).out
    assert sorted(read) == [JOB, "jobs/use.yml"]
