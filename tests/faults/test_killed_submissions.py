"""kill -9 of mlgit while it submits many runs to a Slurm cluster: each has one job, all end, and none is lost.

`make soak` does it with 200 runs, `make test-services` with 40; the seed of what is killed, and when, is printed.
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

import pytest
from faults.seed import SEED
from services.slurm import SlurmCluster
from services.ssh_node import PYTHON
from workspaces import APPLY, commit, edit, until

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


@dataclass(frozen=True)
class Jobs:
    """A workspace with tiny jobs on a cluster, whose accounting knows all that was ever submitted."""

    folder: Path
    cluster: SlurmCluster
    disk: Path

    def make(self, count: int) -> None:
        """Put the jobs into the small workspace."""
        for path in ("jobs/sum.yml", "models/total.yml", "data/numbers.yml"):
            (self.folder / path).unlink()
        settings = f"{{type: slurm, folder: {self.disk}, python: {PYTHON}, partition: both}}"
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

    def names_of_jobs(self, tokens: list[str]) -> list[str]:
        """Return the names of all jobs that had one of these tokens, one for each job."""
        return self.cluster.run(*_LISTING, "--format=JobName", f"--name={','.join(tokens)}").split()

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
        until(lambda: not self.cluster.jobs(), _SECONDS)
        tokens = sorted(self.submitted())
        assert len(tokens) == count
        # The accounting is told of jobs a little later.
        until(lambda: len(self.names_of_jobs(tokens)) >= count, _SECONDS)
        assert sorted(self.names_of_jobs(tokens)) == tokens
        assert self.run("plan").startswith("No changes. ")


@pytest.fixture
def jobs(small, accounted_slurm, tmp_path_factory):
    """The workspace, which the nodes do not see."""
    accounted_slurm.hide(small)
    return Jobs(small, accounted_slurm, tmp_path_factory.mktemp("disk") / "mlgit")


@pytest.mark.parametrize(("count", "kills"), [(40, 3), pytest.param(200, 8, marks=pytest.mark.soak)])
def test_runs_that_were_queued_while_mlgit_was_killed_have_one_job_each_and_all_end(jobs, count, kills):
    jobs.make(count)
    jobs.kill_while_submitting(count, kills)
    jobs.check(count)
