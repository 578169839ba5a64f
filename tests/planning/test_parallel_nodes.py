"""Parallel nodes become command steps, and what of them cannot be run is said at its line."""

from __future__ import annotations

from typing import Any

import pytest
from planning.project import InMemoryProject, declared_by
from planning.test_lowering import PLAIN, files_with, graph, pipeline, spec_of

from reconciler.model import Address, Plan, Step
from reconciler.model.parallel_work import ParallelWork
from reconciler.planning.jobs.parallel import parallel_work

pytestmark = pytest.mark.fast

PIPE = Address("job", "pipe")
TASK = {"type": "run_function", "code": "../src", "entry_script": "a.py", "environment": PLAIN}
NODE = {
    "type": "parallel",
    "inputs": {"files": {"type": "uri_folder", "path": "../data"}},
    "input_data": "${{inputs.files}}",
    "outputs": {"lines": {"type": "uri_file"}},
    "task": TASK,
}


def node(task: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {**NODE, **fields, "task": {**TASK, **(task or {})}}


def step_of(task: dict[str, Any] | None = None, **fields: Any) -> Step:
    return graph(pipeline({"batches": node(task, **fields)})).steps["batches"]


def work_of(task: dict[str, Any] | None = None, **fields: Any) -> ParallelWork:
    work = parallel_work(step_of(task, **fields))
    assert work is not None
    return work


def plan_of(task: dict[str, Any] | None = None, **fields: Any) -> tuple[Plan, dict[str, str]]:
    """Return the plan of a pipeline with one parallel node, and its files."""
    files = files_with(pipeline({"batches": node(task, **fields)}))
    return InMemoryProject().plan_with_diagnostics(files)[0], files


def refusals(plan: Plan, files: dict[str, str]) -> list[tuple[str, str]]:
    """Return the line that each refusal is at, and its message."""
    (blocked,) = (item for item in plan.blocked if item.address == PIPE)
    found = ((item.span, item.message) for item in blocked.refusals if item.span)
    return [(files[span.path].splitlines()[span.line - 1].strip(), message) for span, message in found]


def test_a_step_has_the_code_and_the_environment_of_the_task_and_its_arguments_as_command():
    step = step_of({"program_arguments": "--model ${{inputs.files}} --error_threshold 5"})
    assert spec_of(step) == {
        "type": "command",
        "command": "--model ${{inputs.files}}",
        "code": "../src",
        "environment": PLAIN,
        "compute": "azureml:local",
        "inputs": {"files": {"type": "uri_folder", "path": "../data"}},
        "outputs": {"lines": {"type": "uri_file"}},
    }
    assert {path.pointer: path.path for path in step.job.asset.paths} == {"/code": "src", "/inputs/files/path": "data"}
    assert set(step.job.references) == {"/environment"}
    assert step.places["/code"] == "/jobs/batches/task/code"


def test_the_files_of_an_environment_in_a_task_are_read():
    environment = {"image": "python:3.12", "conda_file": "../conda.yml"}
    files = {
        **files_with(pipeline({"batches": node({"environment": environment})})),
        "conda.yml": "dependencies: [a]\n",
    }
    (asset,) = (item for item in declared_by(files).assets.values() if item.address == PIPE)
    task = asset.spec["jobs"]["batches"]["task"]
    assert task["environment"]["conda_file"] == {"dependencies": ["a"]}


def test_a_component_gives_what_its_node_does_not_say():
    inner = {
        "name": "score",
        "type": "parallel",
        "inputs": {"files": {"type": "uri_folder"}, "size": {"type": "integer", "default": 3}},
        "outputs": {"lines": {"type": "uri_file"}},
        "input_data": "${{inputs.files}}",
        "mini_batch_size": "5",
        "retry_settings": {"max_retries": 4},
        "task": {**TASK, "append_row_to": "${{outputs.lines}}", "program_arguments": "--size ${{inputs.size}}"},
    }
    own = {"mini_batch_size": "7", "logging_level": "DEBUG"}
    outer = {"type": "parallel", "component": inner, "inputs": NODE["inputs"], **own}
    step = graph(pipeline({"batches": outer})).steps["batches"]
    work = ParallelWork("a.py", "files", "lines", mini_batch_size=7, max_retries=4, logging_level="DEBUG")
    assert parallel_work(step) == work
    assert step.job.asset.spec["command"] == "--size ${{inputs.size}}"
    assert step.job.asset.spec["inputs"]["size"] == 3
    assert step.component == "score"


def test_what_a_file_leaves_out_is_as_azure_ml_documents_it():
    assert work_of() == ParallelWork(
        "a.py",
        "files",
        max_retries=2,
        timeout=60,
        mini_batch_error_threshold=-1,
        error_threshold=-1,
        allowed_failed_percent=100,
        task_overhead_timeout=600,
        first_task_creation_timeout=600,
    )


def test_predefined_arguments_are_settings_and_do_not_reach_the_script():
    text = (
        "--error_threshold 5 --rate -1 --allowed_failed_percent=30.5 --task_overhead_timeout 1200 "
        "--first_task_creation_timeout '60' --progress_update_timeout 7 --append_row_file_name \"all rows.txt\" -v"
    )
    step = step_of({"program_arguments": text}, error_threshold=9)
    work = parallel_work(step)
    assert step.job.asset.spec["command"].split() == ["--rate", "-1", "-v"]
    assert work == ParallelWork(
        "a.py",
        "files",
        file_name="all rows.txt",
        error_threshold=5,
        allowed_failed_percent=30.5,
        task_overhead_timeout=1200,
        first_task_creation_timeout=60,
        progress_update_timeout=7,
    )


MANY = "9" * 5000  # digits: more than Python makes a number of


@pytest.mark.parametrize(
    ("text", "size", "unit"),
    [("10", 10, "files"), ("10kb", 10240, "bytes"), ("2MB", 2 << 20, "bytes"), ("1gb", 1 << 30, "bytes")],
)
def test_a_size_of_mini_batches_counts_files_or_bytes(text, size, unit):
    work = work_of(mini_batch_size=text)
    assert (work.mini_batch_size, work.size_unit) == (size, unit)


@pytest.mark.parametrize(
    ("task", "fields", "line", "message"),
    [
        ({}, {"mini_batch_size": "0"}, "mini_batch_size: '0'", "batches: 0 is no mini_batch_size"),
        ({}, {"mini_batch_size": MANY}, f"mini_batch_size: '{MANY}'", f"batches: {MANY} is no mini_batch_size"),
        (
            {},
            {"retry_settings": {"timeout": 0}},
            "timeout: 0",
            "batches: 0 is no retry_settings.timeout",
        ),
        (
            {},
            {"max_concurrency_per_instance": 0},
            "max_concurrency_per_instance: 0",
            "batches: 0 is no max_concurrency_per_instance",
        ),
        (
            {"program_arguments": "--error_threshold few"},
            {},
            "program_arguments: --error_threshold few",
            "batches: few is no program_arguments.error_threshold",
        ),
        (
            {"program_arguments": "--append_row_file_name ../rows.txt"},
            {},
            "program_arguments: --append_row_file_name ../rows.txt",
            "batches: ../rows.txt is no name of a file (--append_row_file_name)",
        ),
        (
            {"append_row_to": "${{outputs.nothing}}"},
            {},
            "append_row_to: ${{outputs.nothing}}",
            "batches: append_row_to: ${{outputs.nothing}} is no output",
        ),
        (
            {},
            {"inputs": {"files": {"type": "mlflow_model", "path": "../data"}}},
            "input_data: ${{inputs.files}}",
            "batches: mini-batches are made of files or of a table, and the input files has the type mlflow_model",
        ),
        (
            {},
            {"partition_keys": ["store"]},
            "- store",
            "batches: partition_keys are columns of a table, and the input files has the type uri_folder",
        ),
        ({}, {"partition_keys": []}, "partition_keys: []", "batches: partition_keys names no columns"),
        ({}, {"partition_keys": ["${{inputs.key}}"]}, "- ${{inputs.key}}", "batches: partition_keys names no columns"),
        (
            {},
            {"inputs": {"files": {"type": "uri_folder", "path": "../data", "mode": "direct"}}},
            "input_data: ${{inputs.files}}",
            "batches: input_data needs files, and the input files with mode: direct is a URI",
        ),
        ({}, {"input_data": "../data"}, "input_data: ../data", "batches: input_data names no input"),
    ],
)
def test_what_cannot_be_run_is_said_at_its_line(task, fields, line, message):
    assert refusals(*plan_of(task, **fields)) == [(line, f"job/pipe: {message}")]


TABLE = {"files": {"type": "mltable", "path": "../data"}}


@pytest.mark.parametrize(
    ("mode", "form"),
    [("direct", "rows"), ("eval_mount", "rows"), (None, "rows"), ("ro_mount", "files"), ("download", "files")],
)
def test_a_table_is_divided_into_rows_or_files_by_the_mode_of_the_input(mode, form):
    inputs = {"files": {**TABLE["files"], **({"mode": mode} if mode else {})}}
    work = work_of(inputs=inputs, partition_keys=["store", "brand"])
    assert (work.form, work.partition_keys, work.size_unit) == (form, ("store", "brand"), "")
    assert ParallelWork.from_json(work.to_json()) == work


def test_a_table_with_mode_direct_is_brought_as_one_that_is_evaluated():
    uri = "https://example.com/t"
    inputs = {"files": {"type": "mltable", "path": uri, "mode": "direct"}, "other": {"path": uri, "mode": "direct"}}
    step = step_of(inputs=inputs)
    assert {name: item["mode"] for name, item in spec_of(step)["inputs"].items()} == {
        "files": "eval_mount",
        "other": "direct",
    }
    assert step.places["/inputs/files/mode"] == "/jobs/batches/inputs/files/mode"


def test_a_size_beside_partition_keys_is_noted_as_without_an_effect():
    plan, files = plan_of({}, inputs=TABLE, partition_keys=["store"], mini_batch_size="10kb")
    line = files["jobs/pipe.yml"].splitlines().index("    mini_batch_size: 10kb") + 1
    (note,) = (note for note in plan.notes if "mini_batch_size" in note)
    assert note.startswith("job/pipe/batches: mlgit does not use mini_batch_size (jobs/pipe.yml:")
    assert f":{line}:" in note


@pytest.mark.parametrize(
    ("task", "fields", "line", "message"),
    [
        ({"type": "model"}, {}, "type: model", "job/pipe/batches: mlgit does not support task.type: model"),
        (
            {"model": "azureml:m@latest"},
            {},
            "model: azureml:m@latest",
            "job/pipe/batches: mlgit does not support task.model",
        ),
    ],
)
def test_what_no_provider_does_is_refused_at_its_line(task, fields, line, message):
    assert refusals(*plan_of(task, **fields)) == [(line, message)]


def test_several_instances_of_a_parallel_step_are_honoured_and_said():
    plan, files = plan_of({}, resources={"instance_count": 2})
    assert not plan.blocked
    line = files["jobs/pipe.yml"].splitlines().index("      instance_count: 2") + 1
    place = f"(jobs/pipe.yml:{line}:23)"
    said = "all instances are processes of this machine, each with a slot of the compute"
    assert f"job/pipe/batches: {said} {place}" in plan.notes


def test_several_instances_of_a_command_step_still_need_a_distribution():
    plain = {"type": "command", "command": "true", "environment": PLAIN, "resources": {"instance_count": 2}}
    files = files_with(pipeline({"plain": plain}))
    plan = InMemoryProject().plan_with_diagnostics(files)[0]
    message = "job/pipe/plain: backend local does not support resources.instance_count: 2"
    assert refusals(plan, files) == [("instance_count: 2", message)]


def test_arguments_without_an_effect_are_noted():
    plan, _ = plan_of({"program_arguments": "--resource_monitor_interval 20 --copy_logs_to_parent True"})
    assert plan.submissions
    notes = [note for note in plan.notes if note.startswith("job/pipe/batches: mlgit")]
    assert sorted(note.partition(" (")[0] for note in notes) == [
        "job/pipe/batches: mlgit does not use program_arguments.copy_logs_to_parent",
        "job/pipe/batches: mlgit does not use program_arguments.resource_monitor_interval",
    ]
    assert all("jobs/pipe.yml:" in note for note in notes)


def test_a_result_does_not_depend_on_how_many_workers_there_are_or_how_often_they_try():
    operational = {"retry_settings": {"max_retries": 9}, "max_concurrency_per_instance": 7, "logging_level": "DEBUG"}
    project = InMemoryProject()
    files = files_with(pipeline({"batches": node()}))
    project.converge(files)
    changed = files_with(pipeline({"batches": node(**operational)}))
    sized = files_with(pipeline({"batches": node(mini_batch_size="2")}))
    for now, verdict in ((changed, "same"), (sized, "changed")):
        (action,) = (item for item in project.plan_with_diagnostics(now)[0].actions if item.address == PIPE)
        assert [item.verdict.value for item in action.steps] == [verdict], action.steps
