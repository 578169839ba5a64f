"""Jobs with MPI on two nodes: one mpirun, whose daemon on the other node is a process of the runner there."""

from __future__ import annotations

import json
import os
import signal

import pytest
from services.open_mpi import ALLREDUCE, needs_mpirun
from workspaces import until

from reconciler.model import Phase
from reconciler.model.providers import CANCELED
from reconciler.model.tasks import Resources

MPI, TWO = {"type": "mpi", "process_count_per_instance": 2}, Resources(instances=2)
pytestmark = [pytest.mark.services, needs_mpirun]


@pytest.fixture(params=["slurm", "ray"])
def bench(bench):
    if bench.cluster:
        bench.settings["partition"] = "both"
    return bench


def lines_of(bench, handle):
    """Return what each process has written, by its label."""
    lines = [line.removeprefix("[").partition("] ") for line in bench.log(handle).splitlines()]
    return {label: [text for other, _, text in lines if other == label] for label, _, _ in lines}


def test_the_ranks_of_two_nodes_are_of_one_mpirun_each_beside_the_runner_of_its_node(bench):
    command = "echo $OMPI_COMM_WORLD_RANK $OMPI_COMM_WORLD_SIZE $PMIX_RANK $MLGIT_RUN_INSTANCE $AZUREML_CR_NODE_RANK"
    handle = bench.submit(bench.task(command, distribution=MPI, resources=TWO))
    condition = bench.wait_until_ended(handle)
    assert (condition.phase, bench.log(handle).count("mpirun")) == (Phase.SUCCEEDED, 0)
    assert lines_of(bench, handle) == {
        f"rank {rank}": [f"{rank} 4 {rank} {rank // 2} {rank // 2}"] for rank in range(4)
    }
    assert not bench.processes(handle)


def test_ranks_of_two_nodes_compute_together(bench):
    files, apart = {"allreduce.py": ALLREDUCE}, {"OMPI_MCA_btl": "^vader"}  # the nodes are one machine: one /dev/shm
    task = bench.task("python allreduce.py", files, distribution=MPI, resources=TWO, variables=apart)
    handle = bench.submit(task)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED, bench.log(handle)
    assert lines_of(bench, handle) == {f"rank {rank}": [f"rank {rank} sum 6 node {rank // 2}"] for rank in range(4)}


def test_a_cancel_leaves_no_process_on_either_node(bench):
    command = "setsid sleep 301 & echo up; sleep 302"
    handle = bench.submit(bench.task(command, distribution=MPI, resources=TWO))
    bench.wait_until_running(handle, lines=4)
    assert bench.backend.cancel(handle)
    condition = bench.wait_until_ended(handle)
    assert (condition.phase, condition.reason) == (Phase.FAILED, CANCELED)
    until(lambda: not bench.processes(handle))


@pytest.mark.parametrize("number", [0, 1])
def test_a_runner_that_is_killed_loses_the_run_and_leaves_no_process(bench, number):
    task = bench.task("trap '' TERM; setsid sleep 301 & echo up; sleep 302", distribution=MPI, resources=TWO)
    handle = bench.submit(task)
    bench.wait_until_running(handle, lines=4)
    if number:
        (start,) = (bench.folder / "runs" / handle.id).glob("instances/*/1/start.json")
        os.kill(json.loads(start.read_text())["pid"], signal.SIGKILL)
    else:
        bench.kill_runner(task, handle)
    assert bench.wait_until_ended(handle).phase is Phase.GONE
    until(lambda: not bench.processes(handle))
    assert [lines_of(bench, handle)[f"rank {rank}"] for rank in range(4)] == [["up"]] * 4
