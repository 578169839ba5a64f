"""kill -9 of mlgit while it submits many runs to a cluster: each has one job, all end, and none is lost.

`make soak` does it with 200 runs, `make test-services` with fewer; the seed of what is killed, and when, is printed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from faults.seed import SEED
from services.ray_cluster import RayCluster
from services.slurm import SlurmCluster
from services.ssh_node import PYTHON
from workspaces import APPLY, commit, edit, until, write

pytestmark = [pytest.mark.slow, pytest.mark.services]

_SECONDS = 1200
_LISTING = ("sacct", "--noheader", "--parsable2", "--allocations", "--duplicates", "--starttime=now-1days")
JOB = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    name: {name}
    command: echo done
    environment: azureml:plain@latest
    compute: azureml:local
    """


class Queue(Protocol):
    """A cluster that runs the jobs."""

    @property
    def cluster(self) -> SlurmCluster | RayCluster:
        """The cluster itself."""

    @property
    def settings(self) -> str:
        """What is its own in the settings of its backend."""

    def names_of_jobs(self, tokens: list[str]) -> list[str]:
        """Return the names of all jobs that had one of these tokens, one for each job."""

    def has_active_jobs(self, tokens: list[str]) -> bool:
        """Return True if jobs with these tokens wait or run."""


@dataclass(frozen=True)
class SlurmQueue:
    """A Slurm cluster, whose accounting knows all that was ever submitted."""

    cluster: SlurmCluster
    settings: str = "type: slurm, partition: both"

    def names_of_jobs(self, tokens: list[str]) -> list[str]:
        return self.cluster.run(*_LISTING, "--format=JobName", f"--name={','.join(tokens)}").split()

    def has_active_jobs(self, tokens: list[str]) -> bool:
        return not set(tokens).isdisjoint(self.cluster.jobs("%j"))


@dataclass(frozen=True)
class RayQueue:
    """A Ray cluster; its list of jobs has all that were ever submitted, also those of other tests."""

    cluster: RayCluster

    @property
    def settings(self) -> str:
        return f"type: ray, address: '{self.cluster.address}', cpus: 1"

    def names_of_jobs(self, tokens: list[str]) -> list[str]:
        return [job["submission_id"] for job in self._jobs(tokens)]

    def has_active_jobs(self, tokens: list[str]) -> bool:
        return any(job["status"] in {"PENDING", "RUNNING"} for job in self._jobs(tokens))

    def _jobs(self, tokens: list[str]) -> list[dict[str, Any]]:
        return [job for job in self.cluster.ask("/api/jobs/") if job["submission_id"] in tokens]


@dataclass(frozen=True)
class Jobs:
    """A workspace with tiny jobs on a cluster."""

    folder: Path
    queue: Queue
    disk: Path

    def make(self, count: int) -> None:
        """Put the jobs into the small workspace."""
        for path in ("jobs/sum.yml", "models/total.yml", "data/numbers.yml"):
            (self.folder / path).unlink()
        settings = f"{{{self.queue.settings}, folder: {self.disk}, python: {PYTHON}}}"
        edit(self.folder, "mlgit.yml", "backends: {local: {type: local}}", f"backends: {{cluster: {settings}}}")
        edit(self.folder, "mlgit.yml", '"*": local', '"*": cluster')
        edit(self.folder, "mlgit.yml", "state:", "limits: {submit: 1000}\nstate:")
        names = [f"j{number:03d}" for number in range(count)]
        commit(self.folder, "jobs", {f"jobs/{name}.yml": JOB.format(name=name) for name in names})

    def start(self) -> subprocess.Popen[bytes]:
        """Start mlgit apply --wait, with what it starts in a process group of its own."""
        command = [sys.executable, "-m", "reconciler", *APPLY]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, cwd=self.folder, start_new_session=True, **quiet)

    def run(self, *arguments: str) -> str:
        """Run mlgit and return what it prints."""
        command = [sys.executable, "-m", "reconciler", *arguments]
        ended = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def submitted(self) -> list[str]:
        """Return the tokens of the runs of which something was written where they are submitted."""
        with suppress(FileNotFoundError):
            return os.listdir(self.disk / "submissions")  # noqa: PTH208 - the names are the tokens
        return []

    def kill_while_submitting(self, count: int, kills: int) -> None:
        """Kill mlgit, alone or with what it has started, at random moments of the submissions."""
        print("seed", SEED)
        chosen = random.Random(SEED)  # noqa: S311
        for number in sorted(chosen.sample(range(1, count), kills)):
            process = self.start()
            until(lambda least=number, own=process: len(self.submitted()) >= least or own.poll() is not None, _SECONDS)
            assert process.poll() is None, "all was submitted before"
            if chosen.random() < 1 / 2:
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def check(self, count: int) -> None:
        """Check that each run has had one job, and one attempt, and has ended as it should."""
        self.run(*APPLY)
        runs = json.loads(self.run("job", "list", "--format", "json"))
        assert Counter(run["status"] for run in runs) == {"completed": count}
        assert {run["attempt"] for run in runs} == {1}
        assert len({run["job"] for run in runs}) == count
        tokens = sorted(self.submitted())
        assert len(tokens) == count
        until(lambda: not self.queue.has_active_jobs(tokens), _SECONDS)
        # The accounting of Slurm is told of jobs a little later.
        until(lambda: len(self.queue.names_of_jobs(tokens)) >= count, _SECONDS)
        assert sorted(self.queue.names_of_jobs(tokens)) == tokens
        assert self.run("plan").startswith("No changes. ")


@pytest.fixture
def make_jobs(small, tmp_path_factory):
    """Make the workspace, which the nodes of a cluster do not see."""

    def make(queue: Queue, count: int) -> Jobs:
        queue.cluster.hide(small)
        jobs = Jobs(small, queue, tmp_path_factory.mktemp("disk") / "mlgit")
        jobs.make(count)
        return jobs

    return make


@pytest.fixture
def slurm_queue(accounted_slurm):
    return SlurmQueue(accounted_slurm)


@pytest.fixture
def ray_queue(ray_cluster, small):
    """The Ray cluster, whose token is bound to the backend of the small workspace."""
    bound = "secrets: {ray-token: {from: 'file:.secrets/token', for: [backend/cluster], fields: [/token]}}\n"
    edit(small, "mlgit.yml", "state:", f"{bound}state:")
    write(small, {".gitignore": ".secrets\n.mlgit\n", ".secrets/token": ray_cluster.token})
    return RayQueue(ray_cluster)


@pytest.mark.parametrize(
    ("queue", "count", "kills"),
    [
        ("slurm_queue", 40, 3),
        ("ray_queue", 12, 2),  # a job of Ray takes seconds
        pytest.param("slurm_queue", 200, 8, marks=pytest.mark.soak),
        pytest.param("ray_queue", 200, 8, marks=pytest.mark.soak),
    ],
)
def test_runs_that_were_queued_while_mlgit_was_killed_have_one_job_each_and_all_end(
    request, make_jobs, queue, count, kills
):
    jobs = make_jobs(request.getfixturevalue(queue), count)
    jobs.kill_while_submitting(count, kills)
    jobs.check(count)
