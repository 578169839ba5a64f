"""A plan says of each step of a pipeline whether it runs, and names the one cause."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from planning.project import SCHEMA, InMemoryProject, action_keys, action_on, small

from reconciler.model import Action, Address, Op, ReuseForecast, RunStatus, StepForecast, StepVerdict
from reconciler.render.step_forecasts import forecast_lines, forecasts_to_json, reuse_lines

pytestmark = pytest.mark.fast

PIPE = Address("job", "pipe")
COMPUTE = {"default_compute": "azureml:local"}
COMMAND = {"type": "command", "environment": "azureml:plain@latest", "code": "../src"}
PREPARE = {**COMMAND, "command": "python a.py", "outputs": {"clean": {"type": "uri_folder"}}}
TRAIN = {
    **COMMAND,
    "command": "python b.py --lr ${{inputs.lr}}",
    "code": "../lib",
    "inputs": {"clean": {"type": "uri_folder"}, "lr": {"type": "number", "default": 0.1}},
    "outputs": {"model": {"type": "uri_folder"}},
}
TEST = {**COMMAND, "command": "python c.py", "inputs": {"model": {"type": "uri_folder"}}}
PIPELINE: dict[str, Any] = {
    "name": "pipe",
    "type": "pipeline",
    "settings": COMPUTE,
    "outputs": {"model": {"type": "uri_folder"}},
    "jobs": {
        "prepare": {"component": "./prepare.yml"},
        "train": {
            "component": "./train.yml",
            "inputs": {"clean": "${{parent.jobs.prepare.outputs.clean}}"},
            "outputs": {"model": "${{parent.outputs.model}}"},
        },
        "evaluate": {"component": "./test.yml", "inputs": {"model": "${{parent.jobs.train.outputs.model}}"}},
    },
}


def files(pipeline: Any = PIPELINE, **changed: Any) -> dict[str, str]:
    """Return the files of a pipeline of three components; ``changed`` are components by name."""
    components = {"prepare": PREPARE, "train": TRAIN, "test": TEST, **changed}
    written = {
        f"jobs/{name}.yml": yaml.safe_dump({"$schema": "commandComponent", "name": name, **spec}, sort_keys=False)
        for name, spec in components.items()
    }
    job = SCHEMA.format("pipelineJob") + yaml.safe_dump(pipeline, sort_keys=False)
    return {**small(), "src/a.py": "a", "lib/b.py": "b", **written, "jobs/pipe.yml": job}


def lines(action: Action | None) -> list[str]:
    assert action is not None
    return [" ".join(line.split()) for line in forecast_lines(forecasts_to_json(action.steps))]


def node(name: str, **fields: Any) -> dict[str, Any]:
    """Return the pipeline with other fields of a node."""
    jobs = {**PIPELINE["jobs"], name: {**PIPELINE["jobs"][name], **fields}}
    return {**PIPELINE, "jobs": jobs}


def test_the_first_run_runs_all_steps():
    action = action_on(InMemoryProject().plan(files()), PIPE, Op.SUBMIT)
    assert action.run is not None
    assert action.run.backend == "driver"
    assert lines(action) == [f"{name} runs, no earlier run" for name in ("prepare", "train", "evaluate")]


@pytest.mark.parametrize(
    "changed",
    [
        {**files(), "jobs/pipe.yml": files()["jobs/pipe.yml"] + "# a comment\n"},
        files({**PIPELINE, "settings": {**COMPUTE, "force_rerun": True}}),
        files({**PIPELINE, "description": "new"}),
        files(node("train", limits={"timeout": 60})),
        files(node("train", compute="azureml:other")),
        files(train={**TRAIN, "version": 2, "description": "new"}),
    ],
    ids=["comment", "force_rerun", "description", "timeout", "compute", "component version"],
)
def test_what_decides_no_result_submits_nothing(changed):
    project = InMemoryProject()
    project.converge(files())
    assert not [key for key in action_keys(project.plan(changed)) if key.startswith("submit")]


CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "a literal": (
        files(node("train", inputs={"clean": "${{parent.jobs.prepare.outputs.clean}}", "lr": 0.2})),
        ["prepare same as in RUN/prepare", "train runs because inputs.lr 0.1 -> 0.2", "evaluate known after train"],
    ),
    "a default that is the value already": (
        files(node("train", inputs={"clean": "${{parent.jobs.prepare.outputs.clean}}", "lr": 0.1})),
        ["prepare same as in RUN/prepare", "train same as in RUN/train", "evaluate same as in RUN/evaluate"],
    ),
    "the path of an output": (
        files({**PIPELINE, "outputs": {"model": {"path": "azureml://datastores/workspaceblobstore/paths/x"}}}),
        ["prepare same as in RUN/prepare", "train same as in RUN/train", "evaluate same as in RUN/evaluate"],
    ),
    "a file of the code": (
        {**files(), "lib/b.py": "new"},
        ["prepare same as in RUN/prepare", "train runs because code changed (b.py)", "evaluate known after train"],
    ),
    "an environment variable": (
        files(node("prepare", environment_variables={"A": "1"})),
        [
            'prepare runs because environment_variables added: {"A": "1"}',
            "train known after prepare",
            "evaluate known after train",
        ],
    ),
    "no determinism": (
        files(prepare={**PREPARE, "is_deterministic": False}),
        [
            "prepare runs because is_deterministic: false",
            "train known after prepare",
            "evaluate known after train",
        ],
    ),
    "several fields": (
        files(test={**TEST, "command": "python d.py", "code": "../lib"}),
        [
            "prepare same as in RUN/prepare",
            "train same as in RUN/train",
            "evaluate runs because code changed and 1 other change",
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_step_has_its_cause(case):
    changed, expected = CASES[case]
    project = InMemoryProject()
    project.converge(files())
    run = project.latest(PIPE).id
    action = action_on(project.plan(changed), PIPE, Op.SUBMIT)
    assert [line.replace(run, "RUN") for line in lines(action)] == expected


def test_steps_that_did_not_complete_run_again():
    project = InMemoryProject()
    project.apply(files())
    project.apply(files())
    project.end(RunStatus.FAILED, "user")
    run = project.latest(PIPE)
    (failed,) = (blocked for blocked in project.plan(files()).blocked if blocked.address == PIPE)
    assert "see `mlgit job show pipe`, run it again" in failed.message
    action = action_on(project.plan(files(), requested=frozenset({PIPE})), PIPE, Op.SUBMIT)
    assert lines(action)[0] == f"prepare runs because it failed in {run.id}"


def test_a_sweep_job_that_is_requested_again_runs_again_as_in_azure_ml():
    sweep = {
        "name": "pipe",
        "type": "sweep",
        "compute": "azureml:local",
        "trial": {"command": "echo ${{search_space.lr}}", "environment": "azureml:plain@latest"},
        "search_space": {"lr": {"type": "choice", "values": [0.1, 0.2]}},
        "sampling_algorithm": "grid",
        "objective": {"goal": "minimize", "primary_metric": "loss"},
        "limits": {"max_total_trials": 2},
    }
    declared = {**small(), "jobs/pipe.yml": SCHEMA.format("sweepJob") + yaml.safe_dump(sweep, sort_keys=False)}
    project = InMemoryProject()
    project.converge(declared)
    action = action_on(project.plan(declared, requested=frozenset({PIPE})), PIPE, Op.SUBMIT)
    assert lines(action) == ["sweep runs because it was requested again"]


def test_what_the_store_says_of_many_steps_is_one_line_where_the_plan_expects_something_else():
    names = [f"s{number}" for number in range(15)]
    planned = [StepForecast(name, StepVerdict.CHANGED, "no earlier run") for name in names]
    steps = (*(StepForecast(name, StepVerdict.SAME, f"pipe-1/{name}") for name in names[:-2]), *planned[-2:])
    assert list(reuse_lines(ReuseForecast(PIPE, steps), planned)) == [
        "forecast of the object store: 13 of 15 steps reused; s13, s14 run",
        "  13 steps: reused from pipe-1: s0, s1, s2 and 10 more",
    ]
    assert list(reuse_lines(ReuseForecast(PIPE, not_asked="the store is on big only"), planned)) == [
        "forecast of the object store: not asked: the store is on big only"
    ]
