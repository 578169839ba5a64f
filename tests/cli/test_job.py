"""mlgit job: logs, wait, cancel, metrics and rerun."""

from __future__ import annotations

import json

import pytest
from workspaces import commit, edit, until

pytestmark = pytest.mark.slow

WAITING_SCRIPT = """
    import pathlib, sys, time
    print("begun", flush=True)
    deadline = time.monotonic() + 300
    while not pathlib.Path({go!r}).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    print("ended")
    """
LOGGING_SCRIPT = """
    import json, os, urllib.request
    for step, value in enumerate([0.9, 0.5]):
        body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "loss", "value": value, "timestamp": 1, "step": step}
        request = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric")
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"])
        urllib.request.urlopen(request, json.dumps(body).encode()).close()
    """


@pytest.fixture
def running_job(small, mlgit, tmp_path):
    """Submit a job that runs until the file ``go`` exists."""
    commit(small, "waiting", {"src/sum.py": WAITING_SCRIPT.format(go=str(tmp_path / "go"))})
    assert mlgit("apply", "--auto-approve", cwd=small).code == 0
    until(lambda: "begun" in mlgit("job", "logs", "sum", cwd=small).out)
    until(lambda: "status: running" in mlgit("job", "show", "sum", cwd=small).out)
    yield small
    (tmp_path / "go").touch()


def test_a_log_is_followed_to_the_end_of_the_run(running_job, mlgit_process, tmp_path):
    process = mlgit_process("job", "logs", "sum", "-f", cwd=running_job)
    assert process.stdout.readline() == "begun\n"
    (tmp_path / "go").touch()
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (0, "ended\n", "")


def test_every_command_shows_that_a_run_is_running(running_job, mlgit, golden):
    golden("cli/running/status.txt", mlgit("status", cwd=running_job).out)
    golden("cli/running/job-list.txt", mlgit("job", "list", cwd=running_job).out)
    golden("cli/running/job-show.txt", mlgit("job", "show", "sum", cwd=running_job).out)
    assert json.loads(mlgit("job", "show", "sum", "--format", "json", cwd=running_job).out)["status"] == "running"


def test_wait_ends_with_the_run_and_prints_its_status(running_job, mlgit_process, mlgit, tmp_path):
    process = mlgit_process("job", "wait", "sum", cwd=running_job)
    assert process.stderr.readline().startswith("waiting for run sum-")
    (tmp_path / "go").touch()
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert out.endswith(" is completed\n")


def test_a_canceled_run_has_ended_and_cannot_be_canceled_again(running_job, mlgit, golden):
    assert mlgit("job", "cancel", "sum", cwd=running_job).code == 0
    assert mlgit("job", "wait", "sum", cwd=running_job).code == 1
    second = mlgit("job", "cancel", "sum", cwd=running_job)
    assert second.code == 1
    golden("cli/errors/run-ended.txt", second.err)


def test_metrics_show_the_last_value_of_each(small, mlgit, golden):
    commit(small, "logging", {"src/sum.py": LOGGING_SCRIPT})
    assert mlgit("apply", "--auto-approve", "--wait", cwd=small).code == 0
    golden("cli/reading/job-metrics-logged.txt", mlgit("job", "metrics", "sum", cwd=small).out)
    logged = json.loads(mlgit("job", "metrics", "sum", "--format", "json", cwd=small).out)
    assert [(metric["key"], metric["value"], metric["step"]) for metric in logged] == [
        ("loss", 0.9, 0),
        ("loss", 0.5, 1),
    ]
    assert "loss: 0.5" in mlgit("job", "show", "sum", cwd=small).out


def test_a_manual_job_runs_only_by_rerun(small, mlgit, golden):
    edit(small, "mlgit.yml", "store:", 'assets: {include: [{glob: "**/*.yml", run: manual}]}\nstore:')
    commit(small)
    assert mlgit("apply", "--auto-approve", cwd=small).code == 0
    golden("cli/plan-manual.txt", mlgit("plan", cwd=small).out)
    assert mlgit("job", "list", cwd=small).out == "There are no runs yet.\n"
    ended = mlgit("job", "rerun", "sum", "--auto-approve", "--wait", cwd=small)
    assert ended.code == 0, ended.err
    assert "completed" in mlgit("job", "list", cwd=small).out
