"""A task with a distribution, on every backend that starts runs with the runner."""

from __future__ import annotations

import json
import os
import signal

import pytest
from workspaces import has_ended, until

from reconciler.model import Phase
from reconciler.runner.descendants import find_marked

PYTORCH_THREE = {"type": "pytorch", "process_count_per_instance": 3}


def test_a_task_runs_in_as_many_processes_as_its_distribution_says(bench):
    run = bench.submit(bench.task("echo $RANK of $WORLD_SIZE", distribution=PYTORCH_THREE))
    assert bench.wait_until_ended(run).phase is Phase.SUCCEEDED
    assert sorted(bench.log(run).splitlines()) == [f"[rank {rank}] {rank} of 3" for rank in range(3)]


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
