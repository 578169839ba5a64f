"""kill -9 of supervisors and of mlgit while runs wait and run: none runs twice, and each lost one is tried again once.

`make soak` kills 50 times over 30 jobs, and mlgit alone during 200 runs; `make test-services` does less of both, by a
seed that it prints.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults.seed import SEED
from workspaces import APPLY, commit, edit, until

from reconciler.runner.descendants import find_marked
from reconciler.runner.locks import is_locked

pytestmark = [pytest.mark.slow, pytest.mark.services]

_SECONDS = 1200
COMPUTE = """
    $schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json
    name: cluster
    type: amlcompute
    max_instances: {slots}
    """
JOB = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    name: {name}
    command: echo $AZUREML_RUN_ID >> {top}/executions; {command}
    environment: azureml:plain@latest
    compute: azureml:cluster
    """


@dataclass(frozen=True)
class Jobs:
    """A workspace with jobs on one compute, each of which adds its run to a file."""

    folder: Path
    top: Path

    def make(self, jobs, slots, command):
        """Put the jobs into the small workspace."""
        for path in ("jobs/sum.yml", "models/total.yml", "data/numbers.yml"):
            (self.folder / path).unlink()
        edit(self.folder, "mlgit.yml", "state:", "retries: 10\nlimits: {submit: 1000}\nstate:")
        names = [f"j{number:03d}" for number in range(jobs)]
        files = {f"jobs/{name}.yml": JOB.format(name=name, top=self.top, command=command) for name in names}
        commit(self.folder, "jobs", {"compute/cluster.yml": COMPUTE.format(slots=slots), **files})

    def start(self):
        """Start mlgit apply --wait."""
        command = [sys.executable, "-m", "reconciler", *APPLY]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, cwd=self.folder, **quiet)

    def run(self, *arguments):
        """Run mlgit and return its exit code and output; a test that fails shows what it reported."""
        command = [sys.executable, "-m", "reconciler", *arguments]
        ended = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        print(" ".join(arguments), ended.returncode, ended.stderr, ended.stdout if ended.returncode else "")
        return ended.returncode, ended.stdout

    def list(self):
        return json.loads(self.run("job", "list", "--format", "json")[1])

    @property
    def run_folders(self):
        return list(self.folder.glob(".mlgit/store/runs/*"))

    @property
    def executions(self):
        """The number of executions of each run."""
        path = self.top / "executions"
        return Counter(path.read_text().split()) if path.exists() else Counter()

    @property
    def supervisors(self):
        """The process ids of the living supervisors."""
        pids = []
        for run in self.run_folders:
            with suppress(FileNotFoundError):
                pid = json.loads((run / "supervisor.json").read_text())["pid"]
                if is_locked(run / "alive.lock"):
                    pids.append(pid)
        return pids

    def kill_at_random(self, kills, chance_of_command):
        """Kill a supervisor or the apply, again and again; each killed apply is followed by another one."""
        print("seed", SEED)
        chosen = random.Random(SEED)  # noqa: S311
        process, killed, deadline = self.start(), Counter(), time.monotonic() + _SECONDS
        while killed.total() < kills and process.poll() is None:
            assert time.monotonic() < deadline, killed
            time.sleep(chosen.uniform(0.05, 0.8))
            if chosen.random() < chance_of_command:
                process.kill()
                process.wait()
                killed["mlgit"] += 1
                process = self.start()
            elif pids := self.supervisors:
                with suppress(ProcessLookupError):
                    os.kill(chosen.choice(pids), signal.SIGKILL)
                    killed["supervisor"] += 1
        process.wait(timeout=_SECONDS)
        return killed.total()

    def check(self, jobs):
        """Check that nothing ran twice, that each lost attempt has one successor, and that nothing is left."""
        code, output = self.run(*APPLY)
        assert code == 0, output
        executions, attempts = self.executions, defaultdict(list)
        assert set(executions.values()) == {1}
        for run in self.list():
            attempts[run["job"]].append((run["attempt"], run["status"], run["run"]))
        assert len(attempts) == jobs
        for job, runs in attempts.items():
            numbers, statuses, names = zip(*sorted(runs), strict=True)
            assert numbers == tuple(range(1, len(runs) + 1)), job
            assert statuses == ("lost",) * (len(runs) - 1) + ("completed",), job
            assert executions[names[-1]] == 1, job
        until(lambda: not self.supervisors)
        assert not any(find_marked(run) for run in self.run_folders)
        assert self.run("plan")[1].startswith("No changes. ")


@pytest.fixture
def jobs(small, tmp_path):
    return Jobs(small, tmp_path)


def test_no_attempt_runs_twice_and_each_lost_one_has_one_successor(jobs):
    jobs.make(6, 2, "sleep 0.4; echo done")
    assert jobs.kill_at_random(8, 0.3)
    jobs.check(6)


@pytest.mark.soak
def test_50_kills_over_30_jobs_cost_no_run_and_repeat_none(jobs):
    jobs.make(30, 2, "sleep 2; echo done")
    assert jobs.kill_at_random(50, 0.3) == 50
    jobs.check(30)


def test_runs_go_on_while_mlgit_is_killed(jobs):
    jobs.make(8, 2, "true")
    assert jobs.kill_at_random(3, 1)
    jobs.check(8)
    assert {run["status"] for run in jobs.list()} == {"completed"}


@pytest.mark.soak
def test_200_runs_on_two_slots_go_on_while_mlgit_is_killed(jobs):
    jobs.make(200, 2, "true")
    assert jobs.kill_at_random(30, 1)
    jobs.check(200)
    assert {run["status"] for run in jobs.list()} == {"completed"}


def test_a_command_that_is_killed_by_a_signal_has_failed_and_is_not_tried_again(jobs):
    jobs.make(1, 1, "sleep 300")
    assert jobs.run("apply", "--auto-approve")[0] == 0
    (path,) = until(lambda: [*jobs.folder.glob(".mlgit/store/runs/*/command.json")])
    until(lambda: jobs.executions)
    os.kill(json.loads(path.read_text())["pid"], signal.SIGKILL)
    assert jobs.run(*APPLY)[0] == 1
    jobs.run(*APPLY)
    (run,) = jobs.list()
    assert (run["status"], run["failure"]) == ("failed", "user")
    assert jobs.executions.total() == 1


def test_no_process_is_left_after_all_runs_were_canceled(jobs):
    jobs.make(4, 2, "setsid sleep 300 & sleep 300")
    assert jobs.run("apply", "--auto-approve")[0] == 0
    until(lambda: jobs.executions.total() == 2)
    for number in (3, 0, 2, 1):
        assert jobs.run("job", "cancel", f"j{number:03d}")[0] == 0
    assert not any(find_marked(run) for run in jobs.run_folders)
    until(lambda: not jobs.supervisors)
    assert {run["status"] for run in jobs.list()} == {"canceled"}
