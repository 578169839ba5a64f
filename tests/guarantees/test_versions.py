"""Tests of docs/guarantees.md on versions, runs, references to outputs, and labels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from planning.project import (
    NUMBERS,
    SUM,
    TOTAL,
    InMemoryProject,
    action_keys,
    action_on,
    declared_by,
    edited,
    plan_options_of,
    small,
)
from workspaces import commit, edit

from reconciler.diagnostics import Severity, Span
from reconciler.format.assets import check_references
from reconciler.model import Address, Op, RunStatus
from reconciler.planning.referencable import referencable
from reconciler.render import plan_json
from reconciler.runner.command import substitute_expressions
from reconciler.runner.spec import RunSpec
from reconciler.runner.workdir import prepare_workdir

TRIPLED = edited("jobs/sum.yml", "factor: 2", "factor: 3")


@pytest.fixture
def project() -> InMemoryProject:
    project = InMemoryProject()
    project.converge(small())
    return project


def named(run: str, files: dict[str, str] | None = None) -> dict[str, str]:
    """Return files whose model is the output of a run, named by the run."""
    return edited("models/total.yml", "jobs/sum/", f"jobs/{run}/", files)


@pytest.mark.parametrize(
    ("file", "before", "after", "difference"),
    [
        ("data/numbers.csv", "3", "4", "path changed (numbers.csv)"),
        (
            "data/numbers.yml",
            "uri_file\npath: numbers.csv",
            "uri_folder\npath: .",
            "path changed (numbers.yml), type uri_file -> uri_folder",
        ),
        ("environments/plain.yml", "image: python", "image: other", "image python -> other"),
        ("environments/plain.yml", "image: python", "image: python\nos_type: linux", "os_type added: linux"),
    ],
)
def test_an_immutable_version_is_refused_with_the_field_level_difference_and_the_hint_to_raise_it(
    file, before, after, difference
):
    """The error about an immutable version names the fields that differ and suggests raising the version."""
    versioned = edited("data/numbers.yml", "type:", "version: 3\ntype:")
    versioned = edited("environments/plain.yml", "image:", "version: 3\nimage:", versioned)
    project = InMemoryProject()
    project.converge(versioned)
    _, (diagnostic,) = project.plan_with_diagnostics(edited(file, before, after, versioned))
    assert diagnostic.message.endswith(f"@3 is already registered with different content: {difference}")
    assert "raise the version" in diagnostic.hint


def test_no_value_of_a_secret_is_in_the_field_level_difference():
    """The difference in an error about an immutable version names a secret field without its value."""
    files = edited("environments/plain.yml", "image:", 'version: "3"\nimage:')
    secret = edited("environments/plain.yml", "{dependencies", "{credentials: {password: hunter2}, dependencies", files)
    project = InMemoryProject()
    project.converge(secret)
    _, diagnostics = project.plan_with_diagnostics(edited("environments/plain.yml", "hunter2", "hunter3", secret))
    assert [diagnostic.code for diagnostic in diagnostics] == ["version-immutable"]
    assert "conda_file.credentials.password" in diagnostics[0].message
    assert "hunter" not in diagnostics[0].message


def test_plan_compares_desired_with_the_current_version_only(project):
    """A plan compares an asset with its current version only."""
    project.converge(edited("data/numbers.csv", "3", "4"))
    first = project.versions[NUMBERS, "1"]
    project.versions[NUMBERS, "1"] = replace(first, fingerprint="damaged", contents={}, spec={})
    assert project.plan(edited("data/numbers.csv", "3", "4")).actions == ()
    assert action_on(project.plan(small()), NUMBERS).version == "3"


def test_name_expands_to_the_name_of_the_run(tmp_path: Path):
    """`${{name}}` in a command expands to the name of the run."""
    spec = RunSpec("t", "sum-0123abcd", "job/sum", "", tmp_path, tmp_path, (), {}, {}, (), {}, {})
    values = prepare_workdir(spec, lambda: None).values
    assert substitute_expressions("echo --run ${{name}}", values) == "echo --run sum-0123abcd"
    assert declared_by(edited("jobs/sum.yml", "sum.py ", "sum.py --run ${{name}} ")).diagnostics == ()


def test_an_output_path_can_name_a_run(project):
    """If no declared job is called X, the path names the run X."""
    first = project.latest().id
    assert project.plan(named(first)).actions == (), "it is the same run"
    project.converge(TRIPLED)
    action = action_on(project.apply(named(first, TRIPLED)), TOTAL)
    assert action.resolved is not None
    assert str(action.resolved.references["/path"]) == f"job/sum@{first} outputs/total"
    assert project.plan(named(first, TRIPLED)).actions == ()


def test_a_job_can_read_the_output_of_a_run(project):
    """A job can read the output of one run by its name."""
    text = small()["jobs/sum.yml"].replace("name: sum", "name: next")
    files = {**small(), "jobs/next.yml": text.replace("azureml:numbers@latest", "azureml://jobs/{}/outputs/total")}
    by_job = edited("jobs/next.yml", "{}", "sum", files)
    project.converge(by_job)
    by_run = edited("jobs/next.yml", "/{}/", f"/{project.latest().id}/", files)
    assert project.plan(by_run).actions == (), "the same bytes run nothing again"


def test_a_model_is_registered_from_the_run_that_its_path_names(applied, mlgit):
    """A model can be registered from the output of one run by its name."""
    (run,) = (load["run"] for load in json.loads(mlgit("job", "list", "--format", "json", cwd=applied).out))
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    edit(applied, "models/total.yml", "name: total", "name: first-total")
    edit(applied, "models/total.yml", "jobs/sum/", f"jobs/{run}/")
    commit(applied)
    assert mlgit("validate", cwd=applied).code == 0
    result = mlgit("apply", "--auto-approve", "--select", "model/first-total", cwd=applied)
    assert result.code == 0, result.err
    (model,) = json.loads(mlgit("list", "model", "--format", "json", cwd=applied).out)[:1]
    assert (model["address"], model["lineage"]["run"]) == ("model/first-total", run)


def test_a_path_to_an_output_that_the_run_does_not_have_is_an_error(project):
    """A path that names a run without that output is an error."""
    project.apply(TRIPLED)
    second = project.latest().id
    project.end(RunStatus.FAILED, "user")
    _, diagnostics = project.plan_with_diagnostics(named(second, TRIPLED))
    assert [(diagnostic.code, diagnostic.span) for diagnostic in diagnostics] == [
        ("reference-unresolved", Span("models/total.yml", 4, 7))
    ]
    assert f"names run {second}, which is failed and has no output total" in diagnostics[0].message


@pytest.mark.parametrize("name", ["sum-01234567", "other", "sum"])
def test_a_path_that_names_neither_a_job_nor_a_run_is_dangling(name, project):
    """A path that names neither a job nor a run is a dangling reference."""
    live = project.state()
    bare = {path: text for path, text in named(name).items() if path != "jobs/sum.yml"}
    removed = {SUM} if name == "sum" else ()
    diagnostics = check_references(declared_by(bare), referencable(live, removed))
    assert [(diagnostic.code, diagnostic.severity) for diagnostic in diagnostics] == [
        ("reference-dangling", Severity.ERROR)
    ]
    assert check_references(declared_by(named(project.latest().id)), referencable(live)) == ()


def test_the_fingerprint_of_a_derived_model_is_its_run_and_output_path(project):
    """The fingerprint of a model that is the output of a job consists of the run and the path of the output."""
    below = edited("models/total.yml", "outputs/total", "outputs/total/paths/total.txt")
    assert action_keys(project.plan(below)) == ["register model/total"]
    project.apply(small(), requested=frozenset({SUM}))
    project.end(RunStatus.COMPLETED)
    runs = [run for (address, _), run in project.runs.items() if address == SUM]
    assert [run.outputs for run in runs] == [runs[0].outputs] * 2
    assert action_keys(project.plan(small())) == ["register model/total"], "another run, though it made the same"


def test_the_plan_says_that_a_model_is_known_after_its_job():
    """Until the run completes, the plan says that the model is known after the job."""
    plan = InMemoryProject().plan(small())
    (action,) = (
        entry
        for entry in plan_json.plan_body(plan, plan_options_of(small()))["actions"]
        if entry["address"] == "model/total"
    )
    assert (action["known_after"], action["sentence"]) == ("job/sum", "model/total: new version, known after job/sum")


def test_the_plan_records_the_versions_that_labels_resolve_to(project):
    """A plan records the versions that labels were resolved to."""
    body = plan_json.plan_body(project.plan(edited("data/numbers.csv", "3", "4")), plan_options_of(small()))
    (job,) = (load for load in json.loads(json.dumps(body))["actions"] if load["address"] == "job/sum")
    assert job["references"] == {"/environment": "environment/plain@1", "/inputs/numbers/path": "data/numbers@2"}


def test_a_job_with_a_completed_run_of_its_fingerprint_is_not_run_again(project):
    """A job with a completed run of the same fingerprint is not run again."""
    assert (project.plan(small()).actions, project.plan(small()).blocked) == ((), ())
    other = edited("jobs/sum.yml", "name: sum", "name: twin")
    assert (
        action_on(project.plan({**small(), "jobs/twin.yml": other["jobs/sum.yml"]}), Address("job", "twin")).op
        is Op.SUBMIT
    )
