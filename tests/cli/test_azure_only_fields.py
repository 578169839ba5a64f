"""Fields of jobs that only Azure has: each is named at its line before anything starts, with the reason."""

from __future__ import annotations

import json

import pytest
from workspaces import SMALL, commit

IGNORED = {
    "services: {my_jupyter: {type: jupyter_lab}}": "interactive applications are not started",
    "services: {board: {type: tensor_board, log_dir: outputs/tblogs}}": "interactive applications are not started",
    "queue_settings: {job_tier: spot}": "runs start in the order in which they are submitted",
    "queue_settings: {priority: high}": "runs start in the order in which they are submitted",
    "identity: {type: user_identity}": "a run has the rights of who starts it",
    "identity: {type: aml_token}": "a run has the rights of who starts it",
    "resources: {instance_type: Standard_NC6}": "its runs are processes of this machine",
    "resources: {locations: [westeurope]}": "its runs are processes of this machine",
    "resources: {properties: {singularity: {priority: high}}}": "its runs are processes of this machine",
    "resources: {max_instance_count: 4}": "a run has one machine, and no other joins it",
    "resources: {docker_args: --ipc=host}": "in no container",
    "resources: {docker_args: [--ipc=host]}": "in no container",
}
REFUSED = {
    "resources: {instance_count: 2}": "resources.instance_count: 2",
    "distribution: {type: ray, address: '10.0.0.4:6379'}": "distribution.address",
    "distribution: {type: Ray, port: '${{inputs.factor}}'}": "distribution.port: ${{inputs.factor}}",
    "distribution: {type: ray, include_dashboard: '${{inputs.factor}}'}": "distribution.include_dashboard: ${{",
    "distribution: {type: ray, head_node_additional_args: --num-cpus 4 --port=1}": "args: --num-cpus 4 --port=1",
    "distribution: {type: ray, worker_node_additional_args: --temp-dir /tmp}": "args: --temp-dir /tmp",
    "distribution: {type: ray, worker_node_additional_args: num-cpus=4}": "args: num-cpus=4",
    "distribution: {type: ray, head_node_additional_args: '--labels \"a'}": 'additional_args: --labels "a',
    "distribution: {type: MPI, process_count_per_instance: '${{inputs.factor}}'}": "is mpi",
    "distribution: {type: pytorch, process_count_per_instance: '${{inputs.factor}}'}": "is pytorch",
    "distribution: {type: tensorflow, worker_count: '${{inputs.factor}}'}": "distribution.worker_count",
    "limits: {timeout: '${{inputs.factor}}'}": "limits.timeout: ${{inputs.factor}}",
}
SUPPORTED = [
    "distribution: {type: PyTorch, process_count_per_instance: 2}",
    "distribution: {type: pytorch}",
    "distribution: {type: TensorFlow, worker_count: 2, parameter_server_count: 1}",
    "distribution: {type: mpi, process_count_per_instance: 1}",
    "distribution: {type: mpi}",
    "distribution: {type: Ray, port: 6379, include_dashboard: true, dashboard_port: '8265'}",
    "distribution: {type: ray, head_node_additional_args: --num-cpus=0 --labels 'a=b'}",
    "distribution: {type: ray, worker_node_additional_args: --object-store-memory 80000000}",
    "limits: {timeout: 60}",
]


@pytest.fixture
def validated(small, mlgit):
    """Return a function that validates a job with a line more, and plans it; it returns diagnostics and the plan."""

    def validate(line):
        commit(small, "a job", {"jobs/sum.yml": SMALL["jobs/sum.yml"].rstrip(" ") + f"        {line}\n"})
        output = mlgit("validate", "--format", "json", cwd=small)
        diagnostics = [entry for entry in json.loads(output.out)["diagnostics"] if entry["path"] == "jobs/sum.yml"]
        return diagnostics, mlgit("plan", cwd=small)

    return validate


@pytest.mark.parametrize(("line", "reason"), IGNORED.items())
def test_what_has_no_effect_here_is_a_warning_with_the_reason(validated, line, reason):
    diagnostics, plan = validated(line)
    assert [(entry["code"], entry["severity"]) for entry in diagnostics] == [("field-ignored", "warning")]
    assert reason in diagnostics[0]["message"]
    assert reason in plan.out
    assert plan.code == 0


@pytest.mark.parametrize(("line", "text"), REFUSED.items())
def test_what_cannot_be_done_here_is_refused(validated, line, text):
    diagnostics, plan = validated(line)
    assert {(entry["code"], entry["severity"]) for entry in diagnostics} == {("not-supported", "error")}
    assert text in diagnostics[0]["message"]
    assert (plan.code, text in plan.out) == (1, True)


@pytest.mark.parametrize("line", SUPPORTED)
def test_what_can_be_done_here_is_planned_without_a_word(validated, line):
    diagnostics, plan = validated(line)
    assert (diagnostics, plan.code) == ([], 0)
    assert "first run of job/sum" in plan.out


def test_the_reason_of_a_limit_is_in_the_help(validated):
    for line, reason in [
        ("resources: {instance_count: 2}", "write 1 (more need distribution: pytorch, tensorflow, mpi or ray), or"),
        (
            "distribution: {type: ray, head_node_additional_args: --head}",
            "write other arguments of `ray start` (each run",
        ),
    ]:
        diagnostics, _ = validated(line)
        assert reason in diagnostics[0]["hint"]
