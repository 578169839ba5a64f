"""The spec of the runner that backends make of a task."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator
from remote.backend_server import PYTHON

from reconciler.backends._runner import make_spec, prefix_environment
from reconciler.diagnostics import UserError
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.model.tasks import Image, Prefix, Resources, TaskContent, TaskLiteral, TaskOutput, TaskUri
from reconciler.runner.spec import parse_spec


@pytest.fixture
def bench(bench):
    if bench.type != "local":
        pytest.skip("one backend is enough")
    return bench


def all_fields_task(bench):
    return bench.task(
        "python train.py ${{inputs.lr}} ${{inputs.table}} ${{outputs.model}}",
        {"train.py": "print('good day')\n"},
        inputs={
            "lr": TaskLiteral(0.1),
            "table": TaskContent("uri_file", "ro_mount", bench.file("a.csv", "1\n")),
            "far": TaskUri("https://example.org/table.csv"),
        },
        outputs={"model": TaskOutput("uri_folder")},
        environment=Prefix(PYTHON.path, "here", {"GREETING": "good day"}),
        variables={"EPOCHS": "3"},
        resources=Resources(instances=2, timeout=60),
        experiment="irises",
        workspace="small",
        root_run="pipeline-1a2b3c4d",
        commit="0" * 40,
        distribution={"type": "pytorch", "process_count_per_instance": 2},
    )


def spec_of(bench):
    task = all_fields_task(bench)
    return make_spec(task, prefix_environment(task), bench.store, bench.folder / "run", bench.folder / "token")


def test_the_spec_of_a_task_is_the_recorded_one(bench, tmp_path, golden):
    document = spec_of(bench).to_json()
    for row in [*document["code"], *document["inputs"]["table"]["files"]]:
        del row[4:]  # the stamp: inode and times
    text = json.dumps(document, indent=1, sort_keys=True)
    golden("backends/spec.json", f"{text}\n".replace(str(tmp_path), "<folder>").replace(PYTHON.path, "<python>"))


def test_the_spec_of_a_task_matches_its_schema_and_is_read_back_as_it_was(bench):
    spec = spec_of(bench)
    document = json.loads(json.dumps(spec.to_json()))
    Draft202012Validator(load_schemas()[schema_id("run-spec")]).validate(document)
    assert parse_spec(document) == spec


def test_an_environment_that_is_an_image_is_refused_by_a_backend_without_containers(bench):
    task = bench.task("true", environment=Image("python:3.11", "sha256:" + "0" * 64))
    with pytest.raises(UserError, match="is an image, which needs a container"):
        prefix_environment(task)
