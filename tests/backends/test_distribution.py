"""A task with a distribution, on every backend that starts runs with the runner."""

from __future__ import annotations

import json
import os
import signal

import pytest
from workspaces import has_ended, until

from reconciler.backends import load_backend
from reconciler.model import Phase
from reconciler.model.tasks import Resources
from reconciler.runner.descendants import find_marked

PYTORCH_THREE = {"type": "pytorch", "process_count_per_instance": 3}


def test_a_task_runs_in_as_many_processes_as_its_distribution_says(bench):
    run = bench.submit(bench.task("echo $RANK of $WORLD_SIZE", distribution=PYTORCH_THREE))
    assert bench.wait_until_ended(run).phase is Phase.SUCCEEDED
    assert sorted(bench.log(run).splitlines()) == [f"[rank {rank}] {rank} of 3" for rank in range(3)]


def test_each_instance_of_a_task_has_the_processes_of_its_distribution(bench):
    if bench.type == "slurm":
        bench.settings["partition"] = "both"
    resources = Resources(instances=2)
    run = bench.submit(bench.task("echo $NODE_RANK of $WORLD_SIZE", distribution=PYTORCH_THREE, resources=resources))
    assert bench.wait_until_ended(run).phase is Phase.SUCCEEDED
    assert sorted(bench.log(run).splitlines()) == [f"[rank {rank}] {rank // 3} of 6" for rank in range(6)]


def test_a_process_that_fails_fails_the_run_with_its_name(bench):
    command = "if [ $RANK = 2 ]; then exit 5; fi; sleep 300"
    run = bench.submit(bench.task(command, distribution=PYTORCH_THREE))
    condition = bench.wait_until_ended(run)
    assert condition.phase is Phase.FAILED
    assert condition.result["failure"]["message"].startswith("rank 2 of the command ended with exit code 5")


def test_a_cancel_after_the_supervisor_was_killed_ends_the_processes_of_all_ranks(bench):
    if bench.type != "local":
        pytest.skip("about local processes")
    task = bench.task("trap '' TERM; sleep 300 & echo $RANK; wait", distribution=PYTORCH_THREE)
    run = bench.submit(task)
    folder = bench.folder / "runs" / run.id
    until(lambda: len(find_marked(folder)) >= 6)
    os.kill(json.loads((bench.folder / "tokens" / task.token).read_text())["pid"], signal.SIGKILL)
    processes = find_marked(folder)
    assert bench.backend.cancel(run)
    assert all(map(has_ended, processes))


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        ({}, "0"),
        ({"type": "pytorch", "process_count_per_instance": 2}, "0,1"),
        ({"type": "pytorch", "process_count_per_instance": 8}, "0,1,2,3"),
        ({"type": "tensorflow", "worker_count": 3, "parameter_server_count": 1}, "0,1,2"),
        ({"type": "mpi", "process_count_per_instance": 1}, "0"),
    ],
)
def test_a_run_takes_a_gpu_for_each_process_as_far_as_there_are(bench, distribution, expected):
    if bench.type != "local":
        pytest.skip("about local devices")
    backend = load_backend({"type": "local", "gpus": 4}, bench.folder)
    handle = backend.submit(bench.task("echo ${CUDA_VISIBLE_DEVICES}", distribution=distribution), bench.store)
    bench.wait_until_ended(handle)
    assert {line.rpartition(" ")[2] for line in bench.log(handle).splitlines()} == {expected}
