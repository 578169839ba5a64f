"""An output of a job that has a name is a model or data of that name, declared by the file of the job."""

from __future__ import annotations

import pytest
from planning.project import (
    NUMBERS,
    SCHEMA,
    SUM,
    InMemoryProject,
    action_keys,
    action_on,
    declared_by,
    edited,
    plan_options_of,
    small,
    without,
)

from reconciler.diagnostics import Diagnostic, has_errors
from reconciler.model import Address, Op, RunStatus
from reconciler.planning.experiment import plan_experiment
from reconciler.planning.file_checks import check_files_together
from reconciler.planning.plan import PlanInputs

pytestmark = pytest.mark.fast

IRIS, TABLE = Address("model", "iris"), Address("data", "table")
PLAIN_OUTPUT = "total: {type: uri_folder}"
NAMED = "total: {type: custom_model, name: iris}"
PIPE = (
    SCHEMA.format("pipelineJob")
    + """type: pipeline
name: pipe
settings: {default_compute: azureml:local}
outputs:
  model: {type: mlflow_model, name: iris}
jobs:
  prepare:
    type: command
    component: ../components/prepare.yml
    outputs: {table: {name: table, version: "7"}}
  train:
    type: command
    command: echo ${{outputs.model}}
    environment: azureml:plain@latest
    outputs: {model: "${{parent.outputs.model}}"}
"""
)
COMPONENT = (
    SCHEMA.format("commandComponent")
    + """type: command
name: prepare
command: echo ${{outputs.table}}
environment: azureml:plain@latest
outputs: {table: {type: uri_file}}
"""
)


def files(output: str = NAMED) -> dict[str, str]:
    """Return SMALL with another output, and no file for a model."""
    return edited("jobs/sum.yml", PLAIN_OUTPUT, output, without("models/total.yml"))


def with_pipeline(pipe: str = PIPE) -> dict[str, str]:
    """Return SMALL with a pipeline in place of the job and the model."""
    others = without("jobs/sum.yml", without("models/total.yml"))
    return {**others, "jobs/pipe.yml": pipe, "components/prepare.yml": COMPONENT}


def problems(project_files: dict[str, str]) -> list[tuple[str, str]]:
    """Return the codes and positions of what is wrong in and between files."""
    found: tuple[Diagnostic, ...] = check_files_together(
        declared_by(project_files), plan_options_of(small()).config, None
    )
    return [(item.code, str(item.span)) for item in found]


def test_an_output_with_a_name_is_registered_when_the_job_has_completed():
    project = InMemoryProject()
    plan = project.plan(files())
    assert (action_on(plan, IRIS).op, action_on(plan, IRIS).known_after) == (Op.REGISTER, SUM)
    project.converge(files())
    record = project.records[IRIS]
    assert (record.version, record.references["/path"].version) == ("1", project.records[SUM].run)
    assert not project.plan(files()).actions


def test_it_is_the_model_that_a_file_with_the_output_as_its_path_declares():
    project = InMemoryProject()
    project.converge(files())
    model = SCHEMA.format("model") + "name: iris\ntype: custom_model\npath: azureml://jobs/sum/outputs/total/paths/\n"
    in_a_file = {**files("total: {type: custom_model}"), "models/iris.yml": model}
    assert action_keys(project.apply(in_a_file)) == ["update job/sum"]
    assert action_keys(project.apply(files())) == ["update job/sum"]
    assert project.records[IRIS].version == "1"


def test_another_run_makes_another_version_and_another_name_no_run():
    project = InMemoryProject()
    project.converge(files())
    project.converge(edited("jobs/sum.yml", "factor: 2", "factor: 3", files()))
    assert project.records[IRIS].version == "2"
    renamed = edited("jobs/sum.yml", "factor: 2", "factor: 3", files("total: {type: custom_model, name: rose}"))
    assert action_keys(project.apply(renamed)) == [
        "update job/sum",
        "register model/rose",
        "archive model/iris",
    ]
    assert len(project.runs) == 2


@pytest.mark.parametrize("later", [files(PLAIN_OUTPUT), without("jobs/sum.yml", files())])
def test_the_asset_of_an_output_that_has_no_name_anymore_or_of_a_removed_job_is_archived(later):
    project = InMemoryProject()
    project.converge(files())
    project.converge(later)
    assert project.records[IRIS].archived


def test_outputs_of_pipelines_and_of_their_nodes_are_registered_the_type_is_that_of_the_component():
    project = InMemoryProject()
    plan = project.plan(with_pipeline())
    assert {str(item.address) for item in plan.actions if item.op is Op.REGISTER} == {"model/iris", "data/table"}
    table = declared_by(with_pipeline()).assets[TABLE]
    assert (table.version, table.spec["type"], table.references[0].output) == ("7", "uri_file", "prepare.table")


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        ("{name: iris}", "data"),
        ("{type: MLTABLE, name: iris}", "data"),
        ("{type: uri_file, name: iris}", "data"),
        ("{type: triton_model, name: iris}", "model"),
        ("{type: mlflow_model, name: iris}", "model"),
    ],
)
def test_the_type_of_an_output_decides_whether_it_is_a_model_or_data(output, kind):
    assert Address(kind, "iris") in declared_by(files(f"total: {output}")).assets


def test_a_job_that_uses_the_model_by_its_name_waits_for_the_job_that_makes_it():
    user = small()["jobs/sum.yml"].replace("name: sum", "name: use")
    user = user.replace(
        "{type: uri_file, path: azureml:numbers@latest}", "{type: custom_model, path: azureml:iris@latest}"
    )
    project = InMemoryProject()
    both = {**files(), "jobs/use.yml": user}
    assert action_on(project.plan(both), Address("job", "use")).known_after == SUM
    project.converge(both)
    assert project.records[Address("job", "use")].references["/inputs/numbers/path"].address == IRIS


def test_a_version_that_is_declared_never_changes():
    versioned = files('total: {type: custom_model, name: iris, version: "3"}')
    project = InMemoryProject()
    project.converge(versioned)
    assert project.records[IRIS].version == "3"
    again = edited("jobs/sum.yml", "factor: 2", "factor: 3", versioned)
    project.apply(again)
    project.end(RunStatus.COMPLETED)
    _, diagnostics = project.plan_with_diagnostics(again)
    assert [(item.code, str(item.span)) for item in diagnostics] == [("version-immutable", "jobs/sum.yml:11:52")]


def test_two_outputs_of_one_name_and_an_output_and_a_file_are_errors_at_the_later_one():
    twice = edited("jobs/pipe.yml", '{name: table, version: "7"}', "{type: mlflow_model, name: iris}", with_pipeline())
    (diagnostic,) = declared_by(twice).diagnostics
    assert str(diagnostic.span) == "jobs/pipe.yml:11:49"
    assert diagnostic.message == "model/iris is also declared in jobs/pipe.yml:6:37"
    model = small()["models/total.yml"].replace("name: total", "name: iris")
    (diagnostic,) = declared_by({**files(), "models/iris.yml": model}).diagnostics
    assert (diagnostic.code, str(diagnostic.span)) == ("declared-twice", "models/iris.yml:2:7")
    assert diagnostic.message == "model/iris is also declared in jobs/sum.yml:11:37"


@pytest.mark.parametrize(
    ("output", "code", "column"),
    [
        ('{type: uri_file, name: "${{name}}"}', "name-illegal", 33),
        ('{name: a, version: "${{name}}"}', "version-illegal", 29),
        ("{name: -a}", "name-illegal", 17),
        ("{name: a b}", "wrong-value", 17),
        ("{name: a, version: 1.10}", "version-ambiguous", 29),
        ("{name: a, version: a:b}", "version-illegal", 29),
    ],
)
def test_a_name_or_a_version_that_no_asset_can_have_is_an_error_at_its_place(output, code, column):
    found = declared_by(files(f"total: {output}")).diagnostics
    assert [(item.code, str(item.span)) for item in found] == [(code, f"jobs/sum.yml:11:{column}")]


def test_a_type_that_is_in_no_file_has_to_be_written_beside_the_name():
    unknown = edited("jobs/pipe.yml", "../components/prepare.yml", "azureml:prepare@latest", with_pipeline())
    found = declared_by(unknown)
    assert has_errors(found.diagnostics)
    assert [(item.code, str(item.span)) for item in found.diagnostics] == [("output-type", "jobs/pipe.yml:11:29")]
    stated = edited("jobs/pipe.yml", "{name: table", "{type: uri_file, name: table", unknown)
    assert TABLE in declared_by(stated).assets


def test_an_output_of_a_type_that_is_no_asset_cannot_have_a_name():
    of_number = {**with_pipeline(), "components/prepare.yml": COMPONENT.replace("uri_file", "integer")}
    assert problems(of_number)[0] == ("output-type", "jobs/pipe.yml:11:29")


def test_a_registered_component_that_registers_outputs_is_refused():
    nested = PIPE.replace("pipelineJob", "pipelineComponent").replace(
        "settings: {default_compute: azureml:local}\n", ""
    )
    nested = nested.replace(", name: iris", "").replace("../components/", "./").replace("name: pipe", "name: inner")
    outer = PIPE.partition("outputs:")[0] + "jobs:\n  inner: {type: pipeline, component: azureml:inner@latest}\n"
    _, diagnostics = InMemoryProject().plan_with_diagnostics({**with_pipeline(outer), "components/inner.yml": nested})
    assert diagnostics == ()
    plan = InMemoryProject().plan({**with_pipeline(outer), "components/inner.yml": nested})
    (blocked,) = plan.blocked
    assert "does not support outputs.table.name of inner.prepare" in blocked.message


def test_an_experiment_says_that_it_registers_nothing():
    project = InMemoryProject()
    inputs = PlanInputs(project.desired(files()), project.state(), plan_options_of(small()))
    plan = plan_experiment(inputs._replace(desired=inputs.desired), SUM)
    assert [note for note in plan.notes if "registers" in note] == [
        "an experiment registers nothing: model/iris when `mlgit apply` has run the job"
    ]
    assert {action.address for action in plan.needed} <= {NUMBERS, Address("environment", "plain")}
