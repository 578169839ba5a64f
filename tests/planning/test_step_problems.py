"""What of a pipeline cannot be run is refused at the line that says it, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from planning.project import SCHEMA, InMemoryProject, small

from reconciler.model import Address, Plan

pytestmark = pytest.mark.fast

PIPE = Address("job", "pipe")
COMMAND = {"command": "ls", "environment": "azureml:plain@latest"}
INPUT = {"inputs": {"x": {"type": "uri_folder"}}}


def plan_of(
    jobs: Mapping[str, Any], others: Mapping[str, str] | None = None, **fields: Any
) -> tuple[Plan, dict[str, str]]:
    """Return the plan of a pipeline with some nodes, and its files."""
    spec = {"name": "pipe", "type": "pipeline", "settings": {"default_compute": "azureml:local"}, **fields}
    text = SCHEMA.format("pipelineJob") + yaml.safe_dump({**spec, "jobs": jobs}, sort_keys=False)
    files = {**small(), **(others or {}), "jobs/pipe.yml": text}
    return InMemoryProject().plan_with_diagnostics(files)[0], files


def refusals(plan: Plan, files: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the line that each refusal is at, and its message."""
    (blocked,) = (item for item in plan.blocked if item.address == PIPE)
    assert blocked.is_refused
    found = ((item.span, item.message) for item in blocked.refusals if item.span)
    return [(files[span.path].splitlines()[span.line - 1].strip(), message) for span, message in found]


SPARK = {
    "type": "spark",
    "code": "../src",
    "entry": {"file": "sum.py"},
    "conf": {
        "spark.driver.cores": 1,
        "spark.driver.memory": "1g",
        "spark.executor.cores": 1,
        "spark.executor.memory": "1g",
        "spark.executor.instances": 1,
    },
    "resources": {"instance_type": "standard_e4s_v3", "runtime_version": "3.4"},
}


def test_a_pipeline_with_a_node_that_cannot_run_is_refused_as_a_whole_with_all_reasons():
    many = {"component": COMMAND, "resources": {"instance_count": 3}}
    after = {"component": {**COMMAND, **INPUT}, "inputs": {"x": "${{parent.jobs.batch.outputs.y}}"}}
    batch = {**SPARK, "outputs": {"y": {"type": "uri_folder"}}}
    assert refusals(*plan_of({"fine": {"component": COMMAND}, "many": many, "batch": batch, "after": after})) == [
        (
            "instance_count: 3",
            "job/pipe/many: backend local does not support resources.instance_count: 3",
        ),
        ("type: spark", "job/pipe: mlgit cannot run spark nodes"),
    ]


def test_a_problem_of_a_component_is_shown_once_in_its_file():
    part = {"name": "part", "type": "command", **COMMAND, "resources": {"instance_count": 3}}
    others = {"parts/part.yml": SCHEMA.format("commandComponent") + yaml.safe_dump(part)}
    jobs = {name: {"component": "../parts/part.yml"} for name in ("a", "b")}
    plan, files = plan_of(jobs, others)
    message = "job/pipe/a: backend local does not support resources.instance_count: 3"
    assert refusals(plan, files) == [("instance_count: 3", message)]


CASES: Mapping[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "registry": (
        {"a": {"component": "azureml://registries/azureml/components/x/versions/1"}},
        {},
        "component: azureml://registries/azureml/components/x/versions/1",
        "job/pipe: mlgit cannot read the component azureml://registries/azureml/components/x/versions/1",
    ),
    "no value": (
        {"a": {"component": {**COMMAND, **INPUT}, "inputs": {"x": {"mode": "download"}}}},
        {},
        "mode: download",
        "job/pipe: the input x of a gets no value",
    ),
    "no nodes": ({}, {}, "$schema: ...", "job/pipe: the pipeline has no nodes"),
    "unbound output": (
        {"a": {"component": COMMAND}},
        {"outputs": {"y": {"type": "uri_folder"}}},
        "type: uri_folder",
        "job/pipe: no step writes the output y of the pipeline",
    ),
    "value as output": (
        {"a": {"component": {**COMMAND, "outputs": {"y": {"type": "integer"}}}}},
        {},
        "type: integer",
        "job/pipe: mlgit does not support outputs of the type integer: y of a",
    ),
    "hook": (
        {"a": {"component": COMMAND}, "b": {"component": COMMAND}},
        {"settings": {"default_compute": "azureml:local", "on_init": "a"}},
        "on_init: a",
        "job/pipe: mlgit does not support settings.on_init",
    ),
    "datastore": (
        {"a": {"component": COMMAND}},
        {"settings": {"default_compute": "azureml:local", "default_datastore": "azureml:lake"}},
        "default_datastore: azureml:lake",
        "job/pipe: mlgit does not support settings.default_datastore: azureml:lake",
    ),
    "remote input": (
        {"a": {"component": {**COMMAND, **INPUT}, "inputs": {"x": "${{parent.inputs.x}}"}}},
        {"inputs": {"x": {"type": "uri_folder", "path": "wasbs://a@b.net/"}}},
        "path: wasbs://a@b.net/",
        "job/pipe/a: no datastore of this workspace has the container a of the account b, which wasbs://a@b.net/ names",
    ),
    "output path": (
        {"a": {**COMMAND, "outputs": {"y": "${{parent.outputs.y}}"}}},
        {"outputs": {"y": {"path": "azureml://datastores/lake/paths/y"}}},
        "path: azureml://datastores/lake/paths/y",
        (
            "job/pipe/a: output y: there is no datastore lake, which azureml://datastores/lake/paths/y names: "
            "mlgit cannot write there"
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_run_is_named_at_its_line(case):
    jobs, fields, line, message = CASES[case]
    plan, files = plan_of(jobs, **fields)
    found = refusals(plan, files)
    assert message in [text for _, text in found]
    if not line.startswith("$schema"):
        assert line in [text for text, _ in found]


def test_settings_that_azure_ml_does_not_know_are_ignored_with_a_note():
    settings = {"default_compute": "azureml:local", "default_datestore": "azureml:workspaceblobstore"}
    plan, _ = plan_of({"a": {"component": COMMAND}}, settings=settings)
    assert plan.submissions
    assert [note for note in plan.notes if note.startswith("job/pipe")] == [
        (
            "job/pipe: mlgit does not use settings.default_datestore (jobs/pipe.yml:6:22): "
            "Azure ML does not know it, and ignores it too"
        )
    ]
