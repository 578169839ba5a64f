"""Jobs with a Ray cluster of their own on two nodes: each is a process of the runner there, and all end together."""

from __future__ import annotations

import json
import os
import signal

import pytest
from services.ray_program import COUNT_NODES, needs_ray
from workspaces import until

from reconciler.model import Phase
from reconciler.model.providers import CANCELED
from reconciler.model.tasks import Resources

SMALL = "--object-store-memory=80000000"
RAY = {"type": "ray", "head_node_additional_args": SMALL, "worker_node_additional_args": SMALL}
SLEEP = "trap '' TERM; setsid sleep 301 & echo up; sleep 302"
pytestmark = [pytest.mark.services, needs_ray]


@pytest.fixture(params=["slurm", "ray"])
def bench(bench):
    if bench.cluster:
        bench.settings["partition"] = "both"
    bench.seconds = 400  # for clusters to start on a busy machine, which try it again
    return bench


def submit(bench, command, files=None):
    """Submit a run on two nodes, with Ray in its environment."""
    path = f"{(bench.cluster or bench.ray).ray_environment}/bin:/usr/bin:/bin"
    task = bench.task(command, files, distribution=RAY, resources=Resources(instances=2), variables={"PATH": path})
    return task, bench.submit(task)


def test_a_command_works_on_two_nodes_that_know_nothing_of_the_cluster_that_has_started_them(bench):
    command = "env | grep -c ^RAY_JOB; python count_nodes.py"
    _, handle = submit(bench, command, {"count_nodes.py": COUNT_NODES})
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED, bench.log(handle)
    outer, printed = bench.log(handle).splitlines()
    seen = json.loads(printed)
    assert (outer, seen["nodes"], seen["used"], seen["cpus"]) == ("0", 2, 2, 2)
    assert seen["address"].rpartition(":")[0] in (["127.0.0.1"] if bench.cluster else ["10.201.77.1", "10.201.77.2"])
    assert not bench.processes(handle)


def test_a_command_that_fails_ends_the_nodes_of_both(bench):
    _, handle = submit(bench, "exit 7")
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.FAILED
    assert condition.result["failure"]["message"].startswith("the command ended with exit code 7")
    until(lambda: not bench.processes(handle))


def test_a_cancel_leaves_no_process_on_either_node(bench):
    _, handle = submit(bench, SLEEP)
    bench.wait_until_running(handle)
    assert bench.backend.cancel(handle)
    condition = bench.wait_until_ended(handle)
    assert (condition.phase, condition.reason) == (Phase.FAILED, CANCELED)
    until(lambda: not bench.processes(handle))


@pytest.mark.parametrize("number", [0, 1])
def test_a_runner_that_is_killed_loses_the_run_and_leaves_no_process(bench, number):
    task, handle = submit(bench, SLEEP)
    bench.wait_until_running(handle)
    if number:
        (start,) = (bench.folder / "runs" / handle.id).glob("instances/*/1/start.json")
        os.kill(json.loads(start.read_text())["pid"], signal.SIGKILL)
    else:
        bench.kill_runner(task, handle)
    assert bench.wait_until_ended(handle).phase is Phase.GONE
    until(lambda: not bench.processes(handle))
    assert bench.log(handle).startswith("up")
