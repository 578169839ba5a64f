"""Runs with several instances on clusters: one on each of two nodes."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from services.open_mpi import needs_mpirun
from workspaces import until

from reconciler.diagnostics import UserError
from reconciler.model import Phase
from reconciler.model.providers import CANCELED
from reconciler.model.tasks import Resources, TaskOutput
from reconciler.runner.descendants import find_marked

RENDEZVOUS = Path(__file__).with_name("rendezvous.py").read_text(encoding="utf-8")
PRINTED = "RANK LOCAL_RANK NODE_RANK WORLD_SIZE MASTER_ADDR AZUREML_NODE_COUNT AZ_BATCHAI_JOB_MASTER_NODE_IP"
PYTORCH, TWO = {"type": "pytorch", "process_count_per_instance": 2}, Resources(instances=2)
pytestmark = pytest.mark.services


ADDRESSES = {"slurm": ["127.0.0.2", "127.0.0.3"], "ray": ["10.201.77.1", "10.201.77.2"]}


@pytest.fixture(params=["slurm", "ray"])
def bench(bench):
    if bench.cluster:
        bench.settings["partition"] = "both"
    return bench


@pytest.fixture
def slurm_bench(bench):
    if not bench.cluster:
        pytest.skip("about Slurm")
    return bench


@pytest.fixture
def ray_bench(bench):
    if not bench.ray:
        pytest.skip("about Ray")
    return bench


def lines_of(bench, handle):
    """Return what each process has written, by its label."""
    lines = [line.removeprefix("[").partition("] ") for line in bench.log(handle).splitlines()]
    return {label: [text for other, _, text in lines if other == label] for label, _, _ in lines}


def test_the_ranks_of_two_nodes_meet_at_the_address_of_the_first(bench):
    task = bench.task(
        "python rendezvous.py",
        {"rendezvous.py": RENDEZVOUS},
        distribution=PYTORCH,
        resources=TWO,
        variables={"PRINTED": PRINTED},
    )
    handle = bench.submit(task)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    lines = lines_of(bench, handle)
    assert sorted(lines) == ["rank 0", "rank 1", "rank 2", "rank 3"]
    assert lines["rank 0"][-1] == "sum 6"
    master = json.loads(lines["rank 0"][0])["MASTER_ADDR"]
    assert master in ADDRESSES[bench.type][: 1 if bench.cluster else 2]  # Ray numbers its nodes as it likes
    for rank in range(4):
        assert json.loads(lines[f"rank {rank}"][0]) == {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank % 2),
            "NODE_RANK": str(rank // 2),
            "WORLD_SIZE": "4",
            "MASTER_ADDR": master,
            "AZUREML_NODE_COUNT": "2",
            "AZ_BATCHAI_JOB_MASTER_NODE_IP": master,
        }
    assert not bench.processes(handle)


def test_tasks_of_tensorflow_get_the_addresses_of_both_nodes(bench):
    distribution = {"type": "tensorflow", "worker_count": 2, "parameter_server_count": 1}
    command = 'echo "$TF_CONFIG"; [ "$AZUREML_PROCESS_NAME" != ps_0 ] || sleep 300'
    handle = bench.submit(bench.task(command, distribution=distribution, resources=TWO))
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED  # the parameter server was stopped
    lines = lines_of(bench, handle)
    configurations = {label: json.loads(texts[0]) for label, texts in lines.items()}
    assert sorted(configurations) == ["ps 0", "worker 0", "worker 1"]
    (cluster,) = {json.dumps(one["cluster"]): one["cluster"] for one in configurations.values()}.values()
    addresses = [place.partition(":")[0] for place in cluster["worker"]]
    assert sorted(addresses) == ADDRESSES[bench.type]
    assert [place.partition(":")[0] for place in cluster["ps"]] == addresses[:1]
    assert configurations["worker 1"]["task"] == {"type": "worker", "index": 1}
    assert not bench.processes(handle)


def test_all_nodes_write_to_the_outputs_of_the_run_and_have_its_inputs(bench):
    command = "cat data.txt; echo $RANK > ${{outputs.model}}/$RANK; mkdir -p outputs; echo $RANK > outputs/of-$RANK"
    outputs = {"model": TaskOutput("uri_folder")}
    task = bench.task(command, {"data.txt": "text\n"}, distribution=PYTORCH, resources=TWO, outputs=outputs)
    handle = bench.submit(task)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    collected = bench.backend.collect(handle, bench.store).outputs
    assert sorted(file.path for file in bench.store.manifest(collected["model"])) == ["0", "1", "2", "3"]
    artifacts = sorted(file.path for file in bench.store.manifest(collected["artifacts"]))
    assert artifacts == [f"outputs/of-{rank}" for rank in range(4)]


@pytest.mark.parametrize(
    ("type_", "variable", "rank"),
    [
        ("pytorch", "RANK", 3),
        pytest.param("pytorch", "RANK", 0, marks=pytest.mark.soak),
        pytest.param("mpi", "OMPI_COMM_WORLD_RANK", 0, marks=needs_mpirun),
        pytest.param("mpi", "OMPI_COMM_WORLD_RANK", 3, marks=[needs_mpirun, pytest.mark.soak]),
    ],
)
def test_a_rank_that_fails_ends_those_of_both_nodes_and_is_named(bench, type_, variable, rank):
    command = f"trap '' TERM; echo up; if [ ${variable} = {rank} ]; then exit 5; fi; sleep 300"
    handle = bench.submit(bench.task(command, distribution={**PYTORCH, "type": type_}, resources=TWO))
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.FAILED
    failure = condition.result["failure"]
    assert failure["message"].startswith(f"rank {rank} of the command ended with exit code 5")
    assert (failure["class"], failure["exit_code"]) == ("user", 5)
    until(lambda: not bench.processes(handle))
    assert bench.condition(handle) == condition


def start_sleeping(bench, **resources):
    """Submit a run whose ranks write, and sleep in a session of their own; return it when all have started."""
    command = "trap '' TERM; setsid sleep 301 & echo up; sleep 302"
    distribution = {"type": "pytorch"}
    task = bench.task(command, distribution=distribution, resources=Resources(instances=2, **resources))
    handle = bench.submit(task)
    bench.wait_until_running(handle, lines=2)
    assert lines_of(bench, handle) == {"rank 0": ["up"], "rank 1": ["up"]}
    return task, handle


def test_a_cancel_leaves_no_process_on_either_node(bench):
    _, handle = start_sleeping(bench)
    assert bench.backend.cancel(handle)
    condition = bench.wait_until_ended(handle)
    assert (condition.phase, condition.reason) == (Phase.FAILED, CANCELED)
    until(lambda: not bench.processes(handle))
    assert lines_of(bench, handle) == {"rank 0": ["up"], "rank 1": ["up"]}


def test_the_time_limit_of_the_job_ends_the_processes_of_both_nodes(bench):
    handle = bench.submit(bench.task("sleep 300", distribution=PYTORCH, resources=Resources(instances=2, timeout=4)))
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.FAILED
    assert condition.result["failure"]["class"] == "timeout"
    until(lambda: not bench.processes(handle))


def instance_of(bench, handle, number):
    """Return the processes of an instance: its runner, and its commands."""
    folder = bench.folder / "runs" / handle.id
    commands = find_marked(folder, f"MLGIT_RUN_INSTANCE={number}")
    (start,) = folder.glob(f"instances/*/{number}/start.json") if number else [None]
    return json.loads(start.read_text())["pid"] if start else 0, commands


def kill_all(processes):
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@pytest.mark.parametrize("number", [0, 1])
def test_a_node_that_slurm_loses_ends_the_run_once_and_the_logs_of_all_ranks_are_kept(slurm_bench, number):
    bench = slurm_bench
    task, handle = start_sleeping(bench)
    runner, commands = instance_of(bench, handle, number)
    leader = json.loads((bench.folder / "tokens" / task.token).read_text())["pid"]
    processes = bench.cluster.processes_of(f"n{number + 1}")
    bench.cluster.kill_node(f"n{number + 1}", runner or leader)
    kill_all([*processes, *commands])
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.GONE, condition
    assert condition.message == "its node failed"
    assert lines_of(bench, handle) == {"rank 0": ["up"], "rank 1": ["up"]}
    until(lambda: not bench.processes(handle))
    assert bench.submit(task) == handle
    assert bench.condition(handle) == condition


@pytest.mark.parametrize("number", [0, 1])
def test_a_runner_that_is_killed_loses_the_run_and_leaves_no_process(bench, number):
    task, handle = start_sleeping(bench)
    runner, _ = instance_of(bench, handle, number)
    if number:
        os.kill(runner, signal.SIGKILL)
    else:
        bench.kill_runner(task, handle)
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.GONE
    if number:
        assert condition.message == f"the runner of instance 1 on {os.uname().nodename} was killed"
    until(lambda: not bench.processes(handle))
    assert lines_of(bench, handle) == {"rank 0": ["up"], "rank 1": ["up"]}


def test_a_node_that_ray_loses_ends_the_run_once_and_the_logs_of_all_ranks_are_kept(ray_bench):
    bench = ray_bench
    task, handle = start_sleeping(bench)
    bench.ray.kill_node()
    try:
        condition = bench.wait_until_ended(handle)
        assert condition.phase is Phase.GONE, condition
        assert lines_of(bench, handle) == {"rank 0": ["up"], "rank 1": ["up"]}
        until(lambda: not bench.processes(handle))
        assert bench.submit(task) == handle
        assert bench.condition(handle) == condition
    finally:
        bench.ray.start_node()


def test_a_run_waits_for_as_many_nodes_of_ray_as_it_has_instances_and_takes_none_meanwhile(ray_bench):
    bench = ray_bench
    first = bench.submit(bench.task("echo up; sleep 600", name="occupant", resources=Resources(cpus=2)))
    bench.wait_until_running(first)
    bench.settings["cpus"] = 1
    handle = bench.submit(bench.task("echo up", distribution={"type": "pytorch"}, resources=TWO))
    until(lambda: bench.condition(handle).message == "waits for 2 nodes with 1 CPU")
    other = bench.submit(bench.task("echo other", name="other"))
    assert bench.wait_until_ended(other).phase is Phase.SUCCEEDED
    bench.backend.cancel(first)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    assert lines_of(bench, handle) == {"rank 0": ["up"], "rank 1": ["up"]}


def test_more_instances_than_ray_has_nodes_are_refused(ray_bench):
    task = ray_bench.task("true", distribution={"type": "pytorch"}, resources=Resources(instances=3))
    with pytest.raises(UserError) as caught:
        ray_bench.submit(task)
    problem = caught.value.diagnostics[0]
    assert problem.code == "submission-refused"
    assert problem.message == "job/train asks for 3 nodes with 0.5 CPUs; the Ray cluster has 2"
