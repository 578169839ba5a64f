"""A distributed job on one machine: its processes, the variables of each, the common log, and how it ends."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest
from workspaces import has_ended

from reconciler.runner.distribution import count_workers, port_instances, process_roles, share_devices

PRINT_VARIABLES = "import json, os; print(json.dumps(dict(os.environ)))"
PYTORCH_TWO = {"type": "pytorch", "process_count_per_instance": 2}
TENSORFLOW_THREE = {"type": "tensorflow", "worker_count": 2, "parameter_server_count": 1}


def variables_by_process(bench: Any) -> dict[str, dict[str, str]]:
    """Return the variables that the processes printed, by the name with which their lines in the log begin."""
    lines = [line.removeprefix("[").partition("] ") for line in bench.log().splitlines()]
    return {name: json.loads(text) for name, _, text in lines}


def test_pytorch_starts_a_process_for_each_rank_with_the_variables_that_it_expects(bench: Any) -> None:
    bench.script(PRINT_VARIABLES)
    assert bench.run(distribution={"type": "pytorch", "process_count_per_instance": 3})["status"] == "completed"
    variables = variables_by_process(bench)
    assert sorted(variables) == ["rank 0", "rank 1", "rank 2"]
    shared = {"WORLD_SIZE": "3", "LOCAL_WORLD_SIZE": "3", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    for rank in range(3):
        own = variables[f"rank {rank}"]
        expected = {"RANK": str(rank), "LOCAL_RANK": str(rank), "AZUREML_PROCESS_NAME": f"rank_{rank}"}
        assert (shared | expected).items() <= own.items()
    assert len({own["MASTER_PORT"] for own in variables.values()}) == 1
    assert len({own["MLFLOW_TRACKING_URI"] for own in variables.values()}) == 1


def test_the_ranks_can_meet_at_the_address_that_they_get(bench: Any) -> None:
    bench.script(
        "import os, socket, time\n"
        "place = (os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT']))\n"
        "if os.environ['RANK'] == '0':\n"
        "    with socket.create_server(place) as server:\n"
        "        print(server.accept()[0].recv(10).decode())\n"
        "else:\n"
        "    for _ in range(2000):\n"
        "        try:\n"
        "            socket.create_connection(place).sendall(b'hello'); break\n"
        "        except ConnectionRefusedError:\n"
        "            time.sleep(0.05)\n"
    )
    assert bench.run(distribution=PYTORCH_TWO)["status"] == "completed"
    assert bench.log() == "[rank 0] hello\n"


def test_tensorflow_describes_the_cluster_and_the_task_of_each_process(bench: Any) -> None:
    bench.script(
        f"{PRINT_VARIABLES}\n"  # a parameter server is stopped when the workers have ended: they wait for it
        "import pathlib, time\n"
        "file = pathlib.Path('printed')\n"
        "if os.environ['AZUREML_PROCESS_NAME'] == 'ps_0':\n    file.touch()\n"
        "while not file.exists():\n    time.sleep(0.02)\n"
    )
    assert bench.run(distribution=TENSORFLOW_THREE)["status"] == "completed"
    configurations = {name: json.loads(own["TF_CONFIG"]) for name, own in variables_by_process(bench).items()}
    assert {name: own["task"] for name, own in configurations.items()} == {
        "worker 0": {"type": "worker", "index": 0},
        "worker 1": {"type": "worker", "index": 1},
        "ps 0": {"type": "ps", "index": 0},
    }
    (cluster,) = {json.dumps(own["cluster"]): own["cluster"] for own in configurations.values()}.values()
    assert {name: len(places) for name, places in cluster.items()} == {"worker": 2, "ps": 1}
    places = [place for names in cluster.values() for place in names]
    assert len(set(places)) == 3
    assert all(place.startswith("127.0.0.1:") for place in places)


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        ({"type": "pytorch"}, {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "AZUREML_PROCESS_NAME": "rank_0"}),
        ({"type": "mpi", "process_count_per_instance": 1}, {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"}),
        ({"type": "tensorflow"}, {"AZUREML_PROCESS_NAME": "worker_0"}),
    ],
)
def test_one_process_gets_the_variables_and_its_log_is_as_it_wrote_it(
    bench: Any, distribution: dict[str, Any], expected: dict[str, str]
) -> None:
    bench.script(PRINT_VARIABLES)
    assert bench.run(distribution=distribution)["status"] == "completed"
    assert expected.items() <= json.loads(bench.log()).items()


def test_instances_of_pytorch_have_their_ranks_and_a_part_of_the_devices(bench: Any) -> None:
    bench.script(PRINT_VARIABLES)
    bench.spec["environment"]["variables"] = {"CUDA_VISIBLE_DEVICES": "4,5,6,7"}
    assert bench.run(distribution=PYTORCH_TWO, instances=2)["status"] == "completed"
    variables = variables_by_process(bench)
    assert sorted(variables) == ["rank 0", "rank 1", "rank 2", "rank 3"]
    shared = {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "AZUREML_NODE_COUNT": "2"}
    for rank in range(4):
        node = str(rank // 2)
        expected = {"RANK": str(rank), "LOCAL_RANK": str(rank % 2), "NODE_RANK": node, "AZUREML_CR_NODE_RANK": node}
        devices = {"CUDA_VISIBLE_DEVICES": "4,5" if rank < 2 else "6,7"}
        assert (shared | expected | devices).items() <= variables[f"rank {rank}"].items()


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        ({"type": "tensorflow"}, ["worker_0 of 0", "worker_1 of 1", "worker_2 of 2"]),
        ({"type": "tensorflow", "worker_count": 1}, ["worker_0 of 0"]),
        (TENSORFLOW_THREE, ["worker_0 of 0", "worker_1 of 1", "ps_0 of 0"]),
        ({"type": "tensorflow", "worker_count": "4"}, [f"worker_{index} of {index % 3}" for index in range(4)]),
    ],
)
def test_tasks_of_tensorflow_take_turns_on_three_instances(distribution: dict[str, Any], expected: list[str]) -> None:
    roles = process_roles(distribution, range(len(port_instances(distribution, 3))), 3)
    variables = [role.variables for role in roles]
    assert [f"{own['AZUREML_PROCESS_NAME']} of {own['AZUREML_CR_NODE_RANK']}" for own in variables] == expected
    assert {own["AZUREML_NODE_COUNT"] for own in variables} == {"3"}
    assert count_workers(distribution, 3) == sum("worker" in name for name in expected)


@pytest.mark.parametrize(
    ("visible", "shares"),
    [("0,1,2,3", ["0", "1", "2"]), ("0,1,2", ["0", "1", "2"]), ("0,1", [None] * 3), ("", [None] * 3)],
)
def test_instances_share_devices_unless_there_are_fewer_than_they_are(visible: str, shares: list[str | None]) -> None:
    variables = {"CUDA_VISIBLE_DEVICES": visible}
    assert [share_devices(variables, number, 3).get("CUDA_VISIBLE_DEVICES") for number in range(3)] == shares
    assert share_devices(variables, 0, 1) == {}


@pytest.mark.parametrize(
    ("distribution", "instances"),
    [
        ({"type": "horovod"}, 1),
        ({}, 2),
    ],
)
def test_what_one_machine_does_not_do_starts_nothing(distribution: dict[str, Any], instances: int) -> None:
    assert port_instances(distribution, instances) == ()
    with pytest.raises(ValueError, match=distribution.get("type", "None")):
        process_roles(distribution, [], instances)


@pytest.mark.parametrize("failing", [0, 1])
def test_a_rank_that_fails_ends_the_others_and_the_message_names_it(bench: Any, failing: int) -> None:
    command = f"echo $$; if [ $RANK = {failing} ]; then exit 7; fi; sleep 300"
    result = bench.run(command=command, distribution=PYTORCH_TWO)
    assert (result["status"], result["exit_code"], result["failure"]["class"]) == ("failed", 7, "user")
    message = f"rank {failing} of the command ended with exit code 7; the other processes were stopped"
    assert result["failure"]["message"] == message
    for process in process_ids(bench):
        bench.wait_until(lambda process=process: has_ended(process))


def test_a_rank_that_is_killed_is_reported_with_its_signal(bench: Any) -> None:
    command = 'echo "$RANK"; if [ "$RANK" = 1 ]; then kill -KILL $$; fi; sleep 300'
    failure = bench.run(command=command, distribution=PYTORCH_TWO)["failure"]
    assert failure["signal"] == "SIGKILL"
    assert failure["message"].startswith("rank 1 of the command was ended by SIGKILL")


def test_the_others_can_save_their_work_when_a_rank_fails(bench: Any) -> None:
    bench.script(
        "import os, pathlib, signal, sys, time\n"
        "def save(*_):\n    time.sleep(0.3); print('saved'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, save)\nprint('ready')\n"
        "ready = pathlib.Path('ready')\n"
        "if os.environ['RANK'] == '1':\n"
        "    while not ready.exists():\n        time.sleep(0.02)\n"
        "    sys.exit(3)\n"
        "ready.touch()\ntime.sleep(300)\n"
    )
    assert bench.run(distribution=PYTORCH_TWO)["status"] == "failed"
    assert "[rank 0] saved\n" in bench.log()


def test_parameter_servers_are_stopped_when_the_workers_have_ended(bench: Any) -> None:
    bench.script("import os, time\nif os.environ['AZUREML_PROCESS_NAME'] == 'ps_0':\n    time.sleep(300)\n")
    result = bench.run(distribution=TENSORFLOW_THREE)
    assert (result["status"], result["failure"]) == ("completed", None)


def test_a_parameter_server_that_fails_ends_the_run(bench: Any) -> None:
    command = "if [ $AZUREML_PROCESS_NAME = ps_0 ]; then exit 4; fi; sleep 300"
    result = bench.run(command=command, distribution=TENSORFLOW_THREE)
    assert result["failure"]["message"].startswith("ps 0 of the command ended with exit code 4")


def process_ids(bench: Any) -> list[int]:
    return [int(line.rpartition(" ")[2]) for line in bench.log().splitlines()]


def test_cancel_ends_the_processes_of_all_ranks(bench: Any) -> None:
    runner = bench.start(command="sleep 300 & echo $!; echo $$; wait", distribution=PYTORCH_TWO)
    bench.wait_until(lambda: (bench.folder / "user_logs/std_log.txt").exists() and bench.log().count("\n") == 4)
    runner.send_signal(signal.SIGTERM)
    runner.communicate(timeout=120)
    assert bench.result()["status"] == "canceled"
    for process in process_ids(bench):
        bench.wait_until(lambda process=process: has_ended(process))


def test_a_time_limit_ends_the_processes_of_all_ranks(bench: Any) -> None:
    result = bench.run(command="echo $$; sleep 300", timeout=5, distribution=PYTORCH_TWO)
    assert result["failure"]["class"] == "timeout"
    assert len(process_ids(bench)) == 2
    for process in process_ids(bench):
        bench.wait_until(lambda process=process: has_ended(process))


def test_what_a_rank_leaves_behind_is_killed_and_does_not_keep_the_run(bench: Any) -> None:
    result = bench.run(command="setsid sleep 300 & echo $!", distribution=PYTORCH_TWO)
    assert result["status"] == "completed"
    for process in process_ids(bench):
        bench.wait_until(lambda process=process: has_ended(process))


def test_lines_of_the_ranks_are_whole_however_they_are_written(bench: Any) -> None:
    bench.script(
        "import os, sys\n"
        "for number in range(300):\n"
        "    sys.stdout.write(f'{number}'); sys.stdout.flush(); sys.stderr.write(' x' * 200); sys.stdout.write('\\n')\n"
        "sys.stdout.write('the end without a newline')\n"
    )
    assert bench.run(distribution=PYTORCH_TWO)["status"] == "completed"
    lines = [f"{number}{' x' * 200}" for number in range(300)] + ["the end without a newline"]
    for rank in range(2):
        prefix = f"[rank {rank}] "
        own = [line.removeprefix(prefix) for line in bench.log().splitlines() if line.startswith(prefix)]
        assert own == lines


def test_a_log_that_cannot_be_written_fails_the_run_and_does_not_hang_it(bench: Any) -> None:
    log = bench.folder / "user_logs" / "std_log.txt"
    log.parent.mkdir(parents=True)
    log.symlink_to("/dev/full")
    command = "for i in $(seq 20000); do echo a line of the log || exit 9; done"
    process = bench.start(command=command, distribution=PYTORCH_TWO)
    process.communicate(timeout=180)
    assert bench.result()["status"] == "failed"


def test_processes_of_ranks_are_marked_so_that_they_are_found_without_their_supervisor(bench: Any) -> None:
    bench.script("import os; print(os.environ['MLGIT_RUN_FOLDER'])")
    bench.run(distribution=PYTORCH_TWO)
    assert {line.partition("] ")[2] for line in bench.log().splitlines()} == {str(bench.folder)}


def test_ranks_on_machines_of_their_own_meet_at_the_first_one() -> None:
    assert port_instances(PYTORCH_TWO, 2) == (0,)
    roles = process_roles(PYTORCH_TWO, [29500], 2, ["10.0.0.4", "10.0.0.5"])
    assert [(role.instance, role.label) for role in roles] == [(rank // 2, f"rank {rank}") for rank in range(4)]
    for rank, role in enumerate(roles):
        place = {"MASTER_ADDR": "10.0.0.4", "MASTER_PORT": "29500", "AZ_BATCHAI_JOB_MASTER_NODE_IP": "10.0.0.4"}
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank % 2), "NODE_RANK": str(rank // 2), "WORLD_SIZE": "4"}
        assert (place | own).items() <= role.variables.items()
        assert role.variables["AZ_BATCHAI_PYTORCH_INIT_METHOD"] == "tcp://10.0.0.4:29500"


def test_tasks_of_tensorflow_on_machines_of_their_own_have_these_addresses() -> None:
    assert port_instances(TENSORFLOW_THREE, 2) == (0, 1, 0)
    roles = process_roles(TENSORFLOW_THREE, [1, 2, 3], 2, ["10.0.0.4", "10.0.0.5"])
    clusters = [json.loads(role.variables["TF_CONFIG"])["cluster"] for role in roles]
    assert clusters == [{"worker": ["10.0.0.4:1", "10.0.0.5:2"], "ps": ["10.0.0.4:3"]}] * 3
    assert [role.instance for role in roles] == [0, 1, 0]
    assert {role.variables["AZ_BATCHAI_JOB_MASTER_NODE_IP"] for role in roles} == {"10.0.0.4"}
