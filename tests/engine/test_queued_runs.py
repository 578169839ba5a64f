"""Runs that wait for a slot, as users see them: status, job list, logs, cancel; and after a reboot."""

from __future__ import annotations

import json
import os
import signal

import pytest
from workspaces import APPLY, commit, until

from reconciler.runner.locks import is_locked

pytestmark = pytest.mark.slow

SUBMIT = ("apply", "--auto-approve")
COMPUTE = """
    $schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json
    name: cluster
    type: amlcompute
    max_instances: 2
    """
JOB = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    name: {name}
    command: echo {name} >> {top}/executions; until [ -e {top}/end ]; do sleep 0.02; done; echo ended
    environment: azureml:plain@latest
    compute: azureml:cluster
    """
NAMES = "abcd"


@pytest.fixture
def folder(small, tmp_path):
    """Return a workspace with four jobs on a compute with two slots; they end when ``end`` exists."""
    for path in ("jobs/sum.yml", "models/total.yml", "data/numbers.yml"):
        (small / path).unlink()
    jobs = {f"jobs/{name}.yml": JOB.format(name=name, top=tmp_path) for name in NAMES}
    commit(small, "jobs", {"compute/cluster.yml": COMPUTE, **jobs})
    yield small
    (tmp_path / "end").touch()


def executions(tmp_path):
    path = tmp_path / "executions"
    return sorted(path.read_text().split()) if path.exists() else []


def statuses(runs):
    return {run["job"]: run["status"] for run in runs}


def reboot(folder):
    """Kill every process of every run at once: what a reboot leaves of them."""
    for run in folder.glob(".mlgit/store/runs/*"):
        for lock, name, kill in (("alive", "supervisor", os.kill), ("child", "command", os.killpg)):
            if is_locked(run / f"{lock}.lock"):
                kill(json.loads((run / f"{name}.json").read_text())["pid"], signal.SIGKILL)
        until(lambda run=run: not is_locked(run / "alive.lock") and not is_locked(run / "child.lock"))


def test_status_and_job_list_show_what_runs_and_what_is_queued(folder, mlgit, run_json, tmp_path):
    assert mlgit(*SUBMIT, cwd=folder).code == 0
    until(lambda: len(executions(tmp_path)) == 2)
    listed = until(
        lambda: sorted(statuses(run_json(folder, "job", "list")).values()) == ["queued"] * 2 + ["running"] * 2
    )
    assert listed
    status = mlgit("status", cwd=folder).out
    assert "In use:\n  compute/cluster: 2 of 2 slots, 2 runs queued\n" in status
    (compute,) = (entry for entry in run_json(folder, "status") if entry["address"] == "compute/cluster")
    assert compute["usage"] == {"unit": "slot", "used": 2, "total": 2, "queued": 2}
    (tmp_path / "end").touch()
    assert mlgit(*APPLY, cwd=folder).code == 0
    assert executions(tmp_path) == [*NAMES]
    assert "In use" not in mlgit("status", cwd=folder).out


def test_a_queued_run_that_is_canceled_never_runs_and_its_log_is_followed_until_then(
    folder, mlgit, mlgit_process, run_json, tmp_path
):
    assert mlgit(*SUBMIT, cwd=folder).code == 0
    until(lambda: len(executions(tmp_path)) == 2)
    queued = sorted(job for job, status in statuses(run_json(folder, "job", "list")).items() if status == "queued")
    name = queued[-1].partition("/")[2]
    following = mlgit_process("job", "logs", "-f", name, cwd=folder)
    assert mlgit("job", "cancel", name, cwd=folder).code == 0
    following.communicate(timeout=120)
    (tmp_path / "end").touch()
    mlgit(*APPLY, cwd=folder)
    assert executions(tmp_path) == sorted({*NAMES} - {name})
    assert statuses(run_json(folder, "job", "list"))[f"job/{name}"] == "canceled"


def test_after_a_reboot_what_ran_is_lost_and_retried_and_what_was_queued_goes_on(folder, mlgit, run_json, tmp_path):
    assert mlgit(*SUBMIT, cwd=folder).code == 0
    until(lambda: len(executions(tmp_path)) == 2)
    lost = executions(tmp_path)
    reboot(folder)
    assert executions(tmp_path) == lost
    mlgit("status", cwd=folder)  # any command that asks for runs goes on with the queue
    until(lambda: len(executions(tmp_path)) == 4)
    (tmp_path / "end").touch()
    assert mlgit(*APPLY, cwd=folder).code == 0
    assert executions(tmp_path) == sorted([*NAMES, *lost])
    runs = run_json(folder, "job", "list")
    assert sorted(run["status"] for run in runs) == ["completed"] * 4 + ["lost"] * 2
    assert sorted(run["job"] for run in runs if run["status"] == "lost") == [f"job/{name}" for name in lost]
