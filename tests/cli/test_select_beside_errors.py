"""What a selection needs must be right; errors in other files are counted in one line and stop nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workspaces import APPLY, commit, edit, git, write

DATA = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: {}\ntype: uri_file\npath: {}\n"
MODEL = (
    "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\nname: {}\ntype: custom_model\npath: {}\n"
)
# Errors in files that data/numbers and job/sum do not need, and how they are counted.
ERRORS = {
    "a schema error": ({"other/bad.yml": DATA.format("bad", "x.csv") + "owner: me\n"}, "2 errors in 1 other file"),
    "no YAML": ({"other/bad.yml": DATA.format("bad", "[")}, "1 error in 1 other file"),
    "a reference to nothing": ({"other/bad.yml": MODEL.format("bad", "azureml://jobs/no/outputs/x")}, "1 error in 1"),
    "an output that is not there": ({"other/bad.yml": MODEL.format("bad", "azureml://jobs/sum/outputs/x")}, "1 error"),
    "two files": ({f"other/{name}.yml": MODEL.format(name, "nowhere") for name in "ab"}, "2 errors in 2 other files"),
    "an address that two files declare": (
        {f"other/{name}.yml": MODEL.format("m", "../data") for name in "ab"},
        "1 error in 1 other file",
    ),
}
SELECTIONS = (("--select", "data/numbers"), ("--select", "+job/sum"), ("--exclude", "other"))


@pytest.mark.parametrize("selection", SELECTIONS, ids=" ".join)
@pytest.mark.parametrize("name", ERRORS)
def test_errors_in_other_files_are_counted_and_the_selection_is_planned(name, selection, small, mlgit):
    before = mlgit("plan", *(selection if selection[0] == "--select" else ()), cwd=small)
    files, count = ERRORS[name]
    write(small, files)
    ended = mlgit("plan", *selection, cwd=small)
    assert (ended.code, ended.err) == (0, "")
    assert count in ended.out
    assert "run `mlgit validate`" in ended.out
    actions = [line for line in before.out.splitlines() if line.startswith(("  + ", "  > "))]
    assert actions
    assert [line for line in ended.out.splitlines() if line.startswith(("  + ", "  > "))] == actions
    assert mlgit("plan", cwd=small).code == 1


FAULTS_OF_NEEDED = {
    "the selected file": ("data/numbers.yml", "type: uri_file", "tpye: uri_file"),
    "a path of the selected file": ("data/numbers.yml", "numbers.csv", "number.csv"),
    "a file that the selected one refers to": ("environments/plain.yml", "image:", "imag:"),
    "a file that it refers to and that is not YAML": ("data/numbers.yml", "name: numbers", "name: [numbers"),
}


@pytest.mark.parametrize("name", FAULTS_OF_NEEDED)
def test_errors_in_what_the_selection_needs_stop_it(name, small, mlgit):
    edit(small, *FAULTS_OF_NEEDED[name])
    write(small, {"other/bad.yml": DATA.format("bad", "x.csv") + "owner: me\n"})
    for selection in (("--select", "job/sum"), ("--select", "jobs/sum.yml"), ("--exclude", "other")):
        ended = mlgit("plan", *selection, cwd=small)
        assert ended.code == 1
        assert FAULTS_OF_NEEDED[name][0] in ended.err
        assert "other/bad.yml" not in ended.err
    assert mlgit("plan", "--select", "workspace", cwd=small).code == 0


def test_the_selection_is_applied_and_nothing_else_is_changed_or_removed(applied, mlgit):
    live = mlgit("list", "--format", "json", cwd=applied).out
    edit(applied, "data/numbers.csv", "3\n", "3\n4\n")
    edit(applied, "models/total.yml", "name: total", "name: [")
    edit(applied, "environments/plain.yml", "image:", "imag:")
    commit(applied)
    ended = mlgit("apply", "--auto-approve", "--select", "data/numbers", cwd=applied)
    assert (ended.code, ended.err) == (0, "")
    assert "data/numbers: new version 2" in ended.out
    assert "errors in 2 other files; run `mlgit validate`" in ended.out
    assert ended.out.count("run `mlgit validate`") == 1
    after = {
        item["address"]: item.get("version") for item in json.loads(mlgit("list", "--format", "json", cwd=applied).out)
    }
    before = {item["address"]: item.get("version") for item in json.loads(live)}
    assert after == {**before, "data/numbers": "2"}


def test_a_saved_plan_of_a_selection_is_applied_beside_errors(small, mlgit):
    write(small, {"other/bad.yml": DATA.format("bad", "x.csv") + "owner: me\n"})
    commit(small)
    assert mlgit("plan", "--select", "data/numbers", "--out", "plan.json", cwd=small).code == 0
    ended = mlgit("apply", "plan.json", cwd=small)
    assert (ended.code, ended.err) == (0, "")
    assert "data/numbers" in mlgit("list", cwd=small).out


def test_an_error_that_only_a_plan_finds_is_counted_too(applied, mlgit):
    edit(applied, "data/numbers.yml", "name:", 'version: "1"\nname:')
    edit(applied, "data/numbers.csv", "3\n", "3\n4\n")
    edit(applied, "environments/plain.yml", "python>=3.11", "python>=3.10")
    ended = mlgit("plan", "--select", "environment/plain", cwd=applied)
    assert (ended.code, ended.err) == (0, "")
    assert "environment/plain: new version 2" in ended.out
    assert "1 error in 1 other file; run `mlgit validate`" in ended.out


@pytest.mark.slow
def test_a_job_is_run_again_beside_errors_in_other_files(applied, mlgit):
    write(
        applied,
        {"other/bad.yml": DATA.format("bad", "x.csv") + "owner: me\n", "other/worse.yml": DATA.format("c", "[")},
    )
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 1
    ended = mlgit("job", "rerun", "sum", "--wait", "--auto-approve", cwd=applied)
    assert (ended.code, ended.err) == (0, "")
    assert "errors in 2 other files; run `mlgit validate`" in ended.out
    assert "✓ model/total: new version 2 from run" in ended.out
    edit(applied, "data/numbers.yml", "type: uri_file", "tpye: uri_file")
    commit(applied)
    ended = mlgit("job", "rerun", "sum", "--wait", "--auto-approve", cwd=applied)
    assert ended.code == 1
    assert "data/numbers.yml" in ended.err
    assert "other" not in ended.err


def test_a_selector_that_matches_nothing_is_an_error_beside_others(small: Path, mlgit):
    write(small, {"other/bad.yml": DATA.format("bad", "[")})
    git(small, "add", "--all")
    ended = mlgit("plan", "--select", "data/numbrs", cwd=small)
    assert ended.code == 1
    assert "data/numbrs selects nothing" in ended.err


def test_a_conda_file_belongs_to_the_environments_that_name_it(small, mlgit):
    edit(small, "environments/plain.yml", 'conda_file: {dependencies: ["python>=3.11"]}', "conda_file: conda.yml")
    write(small, {"environments/conda.yml": "dependencies: [{pip: [-r requirements.txt]}]\n"})
    needed = mlgit("plan", "--select", "job/sum", cwd=small)
    assert (needed.code, "environments/conda.yml:1:" in needed.err) == (1, True)
    other = mlgit("plan", "--select", "data/numbers", cwd=small)
    assert (other.code, other.err) == (0, "")


def test_warnings_of_other_files_are_not_shown(small, mlgit):
    write(
        small,
        {"jobs/hand.yml": "command: echo ${inputs.nothing}\nenvironment: azureml:plain@latest\ncompute: nowhere\n"},
    )
    assert "jobs/hand.yml" in mlgit("plan", cwd=small).err
    for selection in (("--select", "job/sum"), ("--exclude", "jobs/hand.yml")):
        assert "jobs/hand.yml" not in mlgit("plan", *selection, cwd=small).err
    assert "jobs/hand.yml" in mlgit("plan", "--select", "job/jobs/hand", cwd=small).err


COMPONENT = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
    name: hello
    command: echo {}
    environment: azureml:plain@latest
    """
PIPELINE = """
    $schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
    type: pipeline
    settings: {{default_compute: azureml:local}}
    jobs: {{say: {{component: {}}}}}
    """


def test_a_component_by_path_may_have_the_name_of_another_and_one_by_name_may_not(small, mlgit):
    components = {f"hello/{name}.yml": COMPONENT.format(name) for name in ("first", "second")}
    pipelines = {"second": "../hello/second.yml", "first": "../hello/first.yml", "named": "azureml:hello@latest"}
    write(small, {**components, **{f"p/{name}.yml": PIPELINE.format(value) for name, value in pipelines.items()}})
    for name in ("second", "first"):
        ended = mlgit("plan", "--select", f"job/p/{name}", cwd=small)
        assert (ended.code, ended.err) == (0, "")
        assert f"first run of job/p/{name}" in ended.out
    ended = mlgit("plan", "--select", "job/p/named", cwd=small)
    assert ended.code == 1
    assert "hello/second.yml:2:7: error: component/hello is also declared in hello/first.yml" in ended.err
