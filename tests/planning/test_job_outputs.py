"""Outputs of pipelines and of their steps are registered as data and models, by the run that executed the step."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planning.project import SCHEMA, InMemoryProject, action_keys, small
from planning.test_step_forecasts import PIPE, PIPELINE, files, node

from reconciler.model import Address, RunStatus, StepRun

pytestmark = pytest.mark.fast

MODEL = SCHEMA.format("model") + "name: best\npath: azureml://jobs/pipe/outputs/model\n"
CLEAN = SCHEMA.format("data") + "name: clean\npath: azureml://jobs/pipe/outputs/prepare.clean/paths/x\n"
BOTH = {"models/best.yml": MODEL, "data/clean.yml": CLEAN}


def end_run(project: InMemoryProject, reused: dict[str, str]) -> None:
    """Complete the run of the pipeline; ``reused`` are the runs that steps are reused from."""
    run = project.latest(PIPE)
    steps = {"prepare": "clean", "train": "model", "evaluate": ""}
    project.end(RunStatus.COMPLETED)
    project.steps[run.id] = tuple(
        StepRun(
            path,
            RunStatus.COMPLETED,
            reused_from=f"{reused[path]}/{path}" if path in reused else "",
            outputs={output: {"md5": f"md5 of {path}"}} if output else {},
        )
        for path, output in steps.items()
    )
    origin = {"origin": f"{reused['train']}/train"} if "train" in reused else {}
    model = {"model": {"md5": "md5 of train", **origin}}
    project.runs[PIPE, run.id] = replace(project.runs[PIPE, run.id], outputs=model)


@pytest.fixture
def project() -> InMemoryProject:
    """Return a project with a pipeline that has run once, and what is derived from its outputs."""
    project = InMemoryProject()
    project.apply({**files(), **BOTH})
    end_run(project, {})
    project.converge({**files(), **BOTH})
    return project


def test_outputs_of_a_pipeline_and_of_its_steps_are_registered(project):
    assert project.records[Address("model", "best")].version == "1"
    assert project.records[Address("data", "clean")].version == "1"


def test_a_run_that_reuses_a_step_makes_no_new_version_of_what_the_step_wrote(project):
    first = project.latest(PIPE).id
    changed = {**files(node("evaluate", environment_variables={"A": "1"})), **BOTH}
    project.apply(changed)
    end_run(project, {"prepare": first, "train": first})
    assert project.plan(changed).actions == ()


def test_a_run_that_executes_a_step_again_makes_new_versions_of_that_alone(project):
    first = project.latest(PIPE).id
    inputs = {"clean": "${{parent.jobs.prepare.outputs.clean}}", "lr": 0.2}
    changed = {**files(node("train", inputs=inputs)), **BOTH}
    project.apply(changed)
    end_run(project, {"prepare": first})
    assert action_keys(project.plan(changed)) == ["register model/best"]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("wrong", "job/pipe has no output wrong"),
        ("prepare.wrong", "job/pipe has no output prepare.wrong"),
        ("artifacts", "job/pipe has no output artifacts"),
    ],
)
def test_an_output_that_no_step_has_is_an_error(output, message):
    text = SCHEMA.format("data") + f"name: clean\npath: azureml://jobs/pipe/outputs/{output}\n"
    _, diagnostics = InMemoryProject().plan_with_diagnostics({**files(), "data/clean.yml": text})
    assert [item.message for item in diagnostics] == [message]


def test_the_default_artifacts_of_a_step_can_be_named():
    text = SCHEMA.format("data") + "name: clean\npath: azureml://jobs/pipe/outputs/train.artifacts/paths/plots\n"
    plan = InMemoryProject().plan({**files(PIPELINE), **small(), "data/clean.yml": text})
    assert "new-version data/clean" in " ".join(action_keys(plan)) or "register data/clean" in action_keys(plan)
