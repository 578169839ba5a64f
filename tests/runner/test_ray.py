"""A job with a Ray cluster on one machine: the nodes that are its instances, the command, and how they end."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from services.ray_program import COUNT_NODES, FOLDER, needs_ray

from reconciler.runner.descendants import find_marked
from reconciler.runner.distribution import RayNode, port_instances, process_roles
from reconciler.runner.ray_cluster import remove_ray_folder

SMALL = "--object-store-memory=80000000"
RAY = {"type": "ray", "head_node_additional_args": SMALL, "worker_node_additional_args": SMALL}
HOSTS = ["10.0.0.4", "10.0.0.5"]
SECONDS = 400  # for clusters to start on a busy machine


@pytest.fixture
def ray_bench(bench: Any) -> Any:
    """Return a bench whose environment has Ray."""
    bench.spec |= {"environment": {"path": [str(FOLDER)], "variables": {}}, "distribution": RAY}
    return bench


def run(bench: Any, **changes: Any) -> dict[str, Any]:
    """Return how a run ends that is executed to its end, of which nothing may be left."""
    return wait_for_result(bench, bench.start(**changes))


def wait_for_result(bench: Any, runner: Any) -> dict[str, Any]:
    """Return how a run has ended, of which no process is left, nor a folder with the files of Ray."""
    assert runner.communicate(timeout=SECONDS)[1] == ""
    bench.wait_until(lambda: not find_marked(bench.folder))
    assert not (bench.folder / "ray-temporary").exists()
    result: dict[str, Any] = bench.result()
    return result


def wait_for_line(bench: Any, text: str) -> None:
    """Wait until the command of a run has written a line."""
    log = bench.folder / "user_logs/std_log.txt"
    bench.wait_until(lambda: log.exists() and text in bench.log(), SECONDS)


def nodes_of(roles: Any) -> list[RayNode]:
    """Return the nodes of Ray among the processes of a job."""
    return [role.ray for role in roles if role.is_server]


def test_each_instance_is_a_node_and_the_command_runs_once_on_the_first() -> None:
    roles = process_roles({"type": "ray"}, [7001, 7002, 7003], 2, HOSTS)
    assert [(role.label, role.instance, role.is_server) for role in roles] == [
        ("", 0, False),
        ("ray 0", 0, True),
        ("ray 1", 1, True),
    ]
    assert roles[0].variables["RAY_ADDRESS"] == "10.0.0.4:7001"
    head, worker = nodes_of(roles)
    assert {"--head", "--port=7001", "--include-dashboard=false", "--node-ip-address=10.0.0.4"} <= set(head.options)
    assert {"--address=10.0.0.4:7001", "--node-ip-address=10.0.0.5"} <= set(worker.options)
    assert not {"--head", "--port=7001"} & set(worker.options)
    assert ((head.client_port, head.sharing), (worker.client_port, worker.sharing)) == ((7003, 1), (0, 1))
    assert port_instances({"type": "ray"}, 2) == (0, 0, 0)


def test_the_nodes_of_one_machine_are_on_its_loopback_interface() -> None:
    roles = process_roles({"type": "ray"}, [7001, 7002, 7003], 2)
    assert roles[0].variables["RAY_ADDRESS"] == "127.0.0.1:7001"
    for node in nodes_of(roles):
        assert ("--node-ip-address=127.0.0.1" in node.options, node.sharing) == (True, 2)


def test_a_job_sets_the_ports_the_dashboard_and_further_arguments() -> None:
    distribution = {
        "type": "ray",
        "port": "6380",
        "include_dashboard": True,
        "dashboard_port": 8266,
        "head_node_additional_args": "--num-cpus=0 --labels 'a=b c'",
        "worker_node_additional_args": "--num-cpus=1",
    }
    head, worker = nodes_of(process_roles(distribution, [7001, 7002, 7003], 2, HOSTS))
    assert {"--port=6380", "--include-dashboard=true", "--dashboard-port=8266"} <= set(head.options)
    assert head.options[-3:] == ("--num-cpus=0", "--labels", "a=b c")
    assert worker.options[-1] == "--num-cpus=1"
    assert "--address=10.0.0.4:6380" in worker.options


def test_an_environment_without_ray_is_a_plain_failure_that_says_what_to_add(bench: Any) -> None:
    bench.spec["variables"] = {"PATH": str(bench.root)}
    result = bench.run(command="echo up", distribution=RAY)
    assert (result["status"], result["failure"]["class"]) == ("failed", "user")
    assert result["failure"]["message"] == (
        "there is no ray, which starts the cluster of a job with distribution ray: "
        "add ray[default] to the pip packages of its environment, or to its image"
    )


def test_a_ray_that_does_not_start_is_a_failure_of_the_run_with_its_last_lines_in_the_log(bench: Any) -> None:
    folder = bench.root / "environment"
    folder.mkdir()
    for name, text in {"ray": "exit 1", "python": f'exec {sys.executable} "$@"'}.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    bench.spec["environment"]["path"] = [str(folder)]
    result = run(bench, command="echo up", distribution=RAY)
    assert (result["status"], result["exit_code"], result["failure"]["class"]) == ("failed", 1, "user")
    message = "the Ray node of the run ended with exit code 1; what it wrote last is in the log as [ray]"
    assert result["failure"]["message"] == message
    assert "[ray] ModuleNotFoundError: No module named 'ray'\n" in bench.log()
    assert "up" not in bench.log()


def test_a_machine_without_bash_is_a_plain_failure_as_ray_needs_it(bench: Any) -> None:
    for name in ("ray", "python"):
        (bench.root / name).touch(0o755)
    bench.spec["variables"] = {"PATH": str(bench.root)}
    result = bench.run(command="echo up", distribution=RAY)
    assert (result["status"], result["failure"]["class"]) == ("failed", "user")
    assert result["failure"]["message"] == (
        "there is no bash, by which Ray starts its processes: add it to the image of the environment"
    )


@pytest.mark.services
@needs_ray
def test_a_head_that_ends_while_the_command_waits_for_its_nodes_is_the_reason(ray_bench: Any) -> None:
    (ray_bench.root / "bash").write_text("#!/bin/sh\nexit 3\n")  # by which Ray starts its processes
    (ray_bench.root / "bash").chmod(0o755)
    ray_bench.spec["environment"]["path"].insert(0, str(ray_bench.root))
    result = run(ray_bench, command="echo up")
    assert (result["status"], result["failure"]["class"]) == ("failed", "user")
    message = "the Ray node of the run ended with exit code 1; what it wrote last is in the log as [ray]"
    assert result["failure"]["message"] == message
    assert "[exit code=3]" in ray_bench.log()


@pytest.mark.parametrize(
    ("name", "owner"),
    [("other", "."), ("mlgit-run-1a2b3c4", "."), ("x/../mlgit-run-1a2b3c4d", "."), ("mlgit-run-1a2b3c4d", "another")],
)
def test_no_folder_is_removed_but_that_of_ray_of_the_run(tmp_path: Path, name: str, owner: str) -> None:
    (tmp_path / "x").mkdir()
    for path, run in ((name, tmp_path / owner), ("mlgit-run-00000000", tmp_path)):
        (tmp_path / path).mkdir()
        (tmp_path / path / "of-run").write_text(str(run), encoding="utf-8")
        (tmp_path / "ray-temporary").write_text(f"{tmp_path}/{path}", encoding="utf-8")
        remove_ray_folder(tmp_path)
    assert (tmp_path / name).is_dir()
    assert not (tmp_path / "mlgit-run-00000000").exists()
    remove_ray_folder(tmp_path)


@pytest.mark.services
@needs_ray
def test_a_command_works_on_the_cluster_of_its_run_and_nothing_of_it_is_left(ray_bench: Any) -> None:
    ray_bench.script(COUNT_NODES)
    ray_bench.spec["command"] = "python script.py; cat ../ray-temporary > ${{outputs.seen}}/folder"
    result = run(ray_bench, outputs={"seen": {"type": "uri_folder"}}, cpus=3)
    assert (result["status"], result["failure"]) == ("completed", None), ray_bench.log()
    (line,) = ray_bench.log().splitlines()
    printed = json.loads(line)
    assert (printed["nodes"], printed["used"], printed["cpus"]) == (1, 1, 3)
    assert printed["address"].startswith("127.0.0.1:")
    folder = Path((ray_bench.folder / "outputs/seen/folder").read_text(encoding="utf-8"))
    assert folder.name.startswith("mlgit-run-")
    assert not folder.exists()


@pytest.mark.services
@needs_ray
def test_two_instances_on_one_machine_are_two_nodes_with_ports_of_their_own(ray_bench: Any) -> None:
    ray_bench.script(COUNT_NODES)
    result = run(ray_bench, instances=2, cpus=1)
    assert (result["status"], result["failure"]) == ("completed", None), ray_bench.log()
    printed = json.loads(ray_bench.log())
    assert (printed["nodes"], printed["used"], printed["cpus"]) == (2, 2, 2)


@pytest.mark.services
@needs_ray
def test_the_exit_code_of_the_command_is_that_of_the_run_and_ends_the_cluster(ray_bench: Any) -> None:
    result = run(ray_bench, command="python -c 'import ray; ray.init()'; exit 7")
    assert (result["status"], result["exit_code"], result["failure"]["class"]) == ("failed", 7, "user")
    assert result["failure"]["message"] == "the command ended with exit code 7"


@pytest.mark.services
@needs_ray
def test_cancel_ends_the_nodes_and_their_tasks(ray_bench: Any) -> None:
    ray_bench.script(
        "import ray, subprocess, time\n"
        "ray.init()\n"
        "@ray.remote(num_cpus=0)\n"
        "def work():\n    subprocess.Popen(['sleep', '301'], start_new_session=True)\n    print('works')\n"
        "    time.sleep(300)\n"
        "ray.get(work.remote())\n"
    )
    runner = ray_bench.start()
    wait_for_line(ray_bench, "works")
    assert len(find_marked(ray_bench.folder)) > 5
    runner.send_signal(signal.SIGTERM)
    assert wait_for_result(ray_bench, runner)["status"] == "canceled"


@pytest.mark.services
@needs_ray
def test_a_node_that_is_lost_fails_the_run(ray_bench: Any) -> None:
    runner = ray_bench.start(command="echo up; exec sleep 300")
    wait_for_line(ray_bench, "up")
    (node,) = (
        process
        for process in find_marked(ray_bench.folder)
        if Path(f"/proc/{process}/cmdline").read_bytes().partition(b"\0")[0].endswith(b"/raylet")
    )
    os.kill(node, signal.SIGKILL)
    result = wait_for_result(ray_bench, runner)
    assert (result["status"], result["failure"]["class"]) == ("failed", "user")
    assert result["failure"]["message"].startswith("the Ray node of the run ended with exit code 1; what it wrote last")
    assert "[ray] " in ray_bench.log()
    assert "raylet.out tail (exit code(s)=-9" in ray_bench.log()


@pytest.mark.services
@needs_ray
def test_a_time_limit_ends_the_cluster_too(ray_bench: Any) -> None:
    result = run(ray_bench, command="sleep 300", timeout=15)
    assert result["failure"]["class"] == "timeout"
