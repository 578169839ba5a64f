"""Parallel steps with an instance on each of two nodes: workers of both share the mini-batches, and some are killed."""

from __future__ import annotations

import os
import signal

import pytest
from backends.test_instances import TWO, instance_of
from workspaces import until

from reconciler.model import Phase
from reconciler.model.parallel_work import ParallelWork
from reconciler.model.tasks import TaskContent, TaskOutput

# Workers wait in their first mini-batch until both nodes have one. One call in ten ends with its worker, once.
SCRIPT = """
import os, pathlib, signal, time

RANK = os.environ["AZUREML_CR_NODE_RANK"]

def is_first(name):
    try:
        pathlib.Path("mark-" + name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True

def run(mini_batch):
    number = pathlib.Path(mini_batch[0]).name
    is_first("node-" + RANK)
    while not all(pathlib.Path("mark-node-" + rank).exists() for rank in "01"):
        time.sleep(0.1)
    if number.endswith("3") and is_first(number):
        print("killed on", RANK, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return [number + " " + RANK]
"""
SLEEPING = "import time\n\ndef run(mini_batch):\n    print('begun', flush=True)\n    time.sleep(600)\n"
pytestmark = pytest.mark.services


@pytest.fixture(params=["slurm", "ray"])
def bench(bench):
    if bench.cluster:
        bench.settings["partition"] = "both"
    return bench


def step(bench, script, count, **settings):
    """Return a parallel step on two nodes, and the names of its files."""
    names = [f"{number:03d}" for number in range(count)]
    files = bench.content(dict.fromkeys(names, "text"))
    work = ParallelWork("entry.py", "data", "lines", concurrency=2, timeout=300, **settings)
    task = bench.task(
        "",
        {"entry.py": script},
        inputs={"data": TaskContent("uri_folder", "ro_mount", files)},
        outputs={"lines": TaskOutput("uri_file")},
        parallel=work,
        resources=TWO,
    )
    return task, names


def test_workers_of_both_nodes_share_the_mini_batches_and_none_is_lost_or_doubled_when_some_are_killed(bench):
    task, names = step(bench, SCRIPT, 60, max_retries=0, mini_batch_error_threshold=0)
    handle = bench.submit(task)
    condition = bench.wait_until_ended(handle)
    log = bench.log(handle)
    assert condition.phase is Phase.SUCCEEDED, log
    (file,) = bench.store.manifest(bench.backend.collect(handle, bench.store).outputs["lines"])
    with bench.store.open(file.digest) as stored:
        rows = [line.split() for line in stored.read().decode().splitlines()]
    assert [name for name, _ in rows] == names
    assert {rank for _, rank in rows} == {"0", "1"}
    assert log.count("was ended by SIGKILL; another one repeats it") == log.count("killed on") == 6
    assert "[instance 0] parallel: 60 of 60 mini-batches done\n" in log
    assert not bench.processes(handle)


def test_a_node_that_is_lost_ends_a_parallel_step_once_as_lost(bench):
    task, _ = step(bench, SLEEPING, 8)
    handle = bench.submit(task)
    bench.wait_until_running(handle, lines=5)  # one of the controller, and one of each worker
    runner, _ = instance_of(bench, handle, 1)
    os.kill(runner, signal.SIGKILL)
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.GONE
    assert condition.message == f"the runner of instance 1 on {os.uname().nodename} was killed"
    until(lambda: not bench.processes(handle))
    assert bench.submit(task) == handle
    assert bench.condition(handle) == condition
