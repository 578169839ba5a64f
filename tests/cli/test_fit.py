"""What fits: runs that could never start are refused before anything waits, and a plan says what its runs take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workspaces import commit, edit, write

from reconciler.backends._local_capacity import find_container_capacity
from reconciler.model.capacity import Limit, RunRequest

SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/{}.schema.json\n"
CLUSTER = (
    SCHEMA.format("amlCompute") + "name: gpu-cluster\ntype: amlcompute\nsize: Standard_NC24s_v3\nmax_instances: 2\n"
)
JOB = SCHEMA.format("commandJob") + (
    "name: {name}\ncommand: nvidia-smi\nenvironment: azureml:plain@latest\ncompute: azureml:gpu-cluster\n"
)
TRAIN = JOB.format(name="train") + (
    "resources: {instance_count: 2}\nlimits: {timeout: 7200}\n"
    "distribution: {type: pytorch, process_count_per_instance: 2}\n"
)
BIG = JOB.format(name="big") + (
    "resources:\n  instance_count: 4\ndistribution:\n  type: pytorch\n  process_count_per_instance: 4\n"
)
SWEEP = (
    SCHEMA.format("sweepJob")
    + """\
type: sweep
name: tune
compute: azureml:gpu-cluster
sampling_algorithm: random
search_space: {lr: {type: uniform, min_value: 0.1, max_value: 1.0}}
objective: {goal: minimize, primary_metric: loss}
trial: {command: "echo ${{search_space.lr}}", environment: azureml:plain@latest}
limits: {max_total_trials: 20, max_concurrent_trials: 5, trial_timeout: 1800}
"""
)
PIPELINE = (
    SCHEMA.format("pipelineJob")
    + """\
type: pipeline
name: both
jobs:
  prepare: {type: command, command: echo 1, environment: azureml:plain@latest, compute: azureml:local}
  train: {type: command, command: echo 2, environment: azureml:plain@latest, compute: azureml:gpu-cluster}
"""
)
FILES = {
    "compute/gpu.yml": CLUSTER,
    "jobs/train.yml": TRAIN,
    "jobs/big.yml": BIG,
    "jobs/tune.yml": SWEEP,
    "jobs/both.yml": PIPELINE,
}


@pytest.fixture
def gpus(small: Path) -> Path:
    """Make a workspace with jobs on a cluster of machines with GPUs, one of which does not fit."""
    edit(small, "mlgit.yml", "{local: {type: local}}", "{local: {type: local, gpus: 4}}")
    write(small, FILES)
    commit(small)
    return small


def test_validate_says_at_its_line_what_does_not_fit(gpus, mlgit, golden):
    ended = mlgit("validate", cwd=gpus)
    assert ended.code == 1
    golden("cli/fit/validate.txt", ended.out)


def test_a_plan_says_on_which_compute_its_runs_go_and_for_how_many_gpu_hours(gpus, mlgit, golden):
    ended = mlgit("plan", cwd=gpus)
    assert ended.code == 1, ended.out + ended.err
    golden("cli/fit/plan.txt", ended.out)


def test_a_plan_as_markdown_has_it_in_the_table_of_runs(gpus, mlgit, golden):
    page = mlgit("plan", "--format", "markdown", cwd=gpus).out
    golden("cli/fit/plan.md", page.partition("#### Other actions")[0])


def test_a_plan_as_json_has_the_computes_with_what_runs_take(gpus, mlgit):
    events = map(json.loads, mlgit("plan", "--format", "json", cwd=gpus).out.splitlines())
    body = next(event["body"] for event in events if event["type"] == "plan-made")
    places = {action["address"]: action["runs_on"] for action in body["actions"] if action["action"] == "submit"}
    cluster = {"compute": "gpu-cluster", "backend": "local"}
    local = {"compute": "local", "backend": "local"}
    assert places == {
        "job/sum": [{**local, "gpus": 1, "gpu_hours": None}],
        "job/train": [{**cluster, "instances": 2, "gpus": 4, "gpu_hours": 8.0}],
        "job/tune": [{**cluster, "steps": 1, "trials": 20, "gpus": 1, "gpu_hours": 10.0}],
        "job/both": [
            {**local, "steps": 1, "gpus": 1, "gpu_hours": None},
            {**cluster, "steps": 1, "gpus": 1, "gpu_hours": None},
        ],
    }


def test_a_saved_plan_is_shown_with_the_same_text(gpus, mlgit):
    (gpus / "jobs/big.yml").unlink()
    commit(gpus)
    planned = mlgit("plan", "-o", "saved.plan", cwd=gpus)
    assert planned.code == 0, planned.err
    body = json.loads((gpus / "saved.plan").read_text("utf-8"))["body"]
    assert "runs_on" in json.dumps(body)
    shown = mlgit("show", "saved.plan", cwd=gpus)
    for line in ("2 instances, 4 GPUs, at most 8 GPU-hours", "GPUs: at most 18 GPU-hours, and "):
        assert line in planned.out
        assert line in shown.out


def test_what_this_machine_has_not_is_a_warning_each_time_the_plan_is_shown(small, mlgit):
    edit(small, "jobs/sum.yml", "code:", "resources: {instance_count: 5000}\ndistribution: {type: pytorch}\ncode:")
    commit(small)
    for _ in range(2):
        planned = mlgit("plan", cwd=small)
        assert planned.code == 0, planned.err
        assert "jobs/sum.yml:4:29: warning: job/sum: asks for 5000 instances, but the compute local has" in planned.err
        assert "(one for each core of this machine) [compute-too-small]" in planned.err
    assert "asks for" not in mlgit("validate", cwd=small).out
    edit(small, "mlgit.yml", "{local: {type: local}}", "{local: {type: local, slots: 2}}")
    commit(small)
    refused = mlgit("plan", cwd=small)
    assert refused.code == 1
    assert "error: job/sum: asks for 5000 instances, but the compute local has 2 (slots: of the backend" in refused.err


def test_a_machine_tells_its_processors_and_its_memory_for_containers():
    capacity = find_container_capacity({"slots": 3, "gpus": 2}, RunRequest())
    assert (capacity.instances, capacity.gpus) == (
        Limit(3, "slots: of the backend in mlgit.yml", "raise slots: there"),
        None,
    )
    assert capacity.cpus is not None
    assert capacity.memory is not None
    assert capacity.cpus.value >= 1
    assert capacity.memory.value > 1 << 28


def test_more_gpus_for_a_run_than_the_backend_has_are_an_error_at_the_setting(small, mlgit):
    edit(small, "mlgit.yml", "{local: {type: local}}", "{local: {type: local, gpus: [0, 1], gpus_per_run: 3}}")
    ended = mlgit("validate", cwd=small)
    assert ended.code == 1
    assert "mlgit.yml:3:61: error: a run takes 3 GPUs (gpus_per_run), but the backend has 2 (gpus)" in ended.out
    edit(small, "mlgit.yml", "gpus_per_run: 3", "gpus_per_run: 2")
    assert mlgit("validate", cwd=small).code == 0
