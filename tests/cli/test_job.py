"""mlgit job: runs, followed, waited for, canceled and measured."""

from __future__ import annotations

import json

import pytest
from workspaces import commit, edit, until

pytestmark = pytest.mark.slow

LASTING = """
    import pathlib, sys, time
    print("begun", flush=True)
    deadline = time.monotonic() + 60
    while not pathlib.Path({go!r}).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    print("ended")
    """
LOGGING = """
    import json, os, urllib.request
    for step, value in enumerate([0.9, 0.5]):
        body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "loss", "value": value, "timestamp": 1, "step": step}
        request = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric")
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"])
        urllib.request.urlopen(request, json.dumps(body).encode()).close()
    """


@pytest.fixture
def lasting(small, mlgit, tmp_path):
    """Submit a job that runs until ``go`` is there."""
    commit(small, "lasting", {"src/sum.py": LASTING.format(go=str(tmp_path / "go"))})
    assert mlgit("apply", "--auto-approve", cwd=small).code == 0
    until(lambda: "begun" in mlgit("job", "logs", "sum", cwd=small).out)
    until(lambda: "status: running" in mlgit("job", "show", "sum", cwd=small).out)
    yield small
    (tmp_path / "go").touch()


def test_a_log_is_followed_to_the_end_of_the_run(lasting, mlgit_process, tmp_path):
    process = mlgit_process("job", "logs", "sum", "-f", cwd=lasting)
    assert process.stdout.readline() == "begun\n"
    (tmp_path / "go").touch()
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "ended\n", "")


def test_while_a_run_goes_on_everything_says_so(lasting, mlgit, golden):
    golden("cli/running/status.txt", mlgit("status", cwd=lasting).out)
    golden("cli/running/job-list.txt", mlgit("job", "list", cwd=lasting).out)
    golden("cli/running/job-show.txt", mlgit("job", "show", "sum", cwd=lasting).out)
    assert json.loads(mlgit("job", "show", "sum", "--format", "json", cwd=lasting).out)["status"] == "running"


def test_waiting_ends_with_the_run_and_tells_how_it_went(lasting, mlgit_process, mlgit, tmp_path):
    process = mlgit_process("job", "wait", "sum", cwd=lasting)
    assert process.stderr.readline().startswith("waiting for run sum-")
    (tmp_path / "go").touch()
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.endswith(" is completed\n")


def test_a_canceled_run_is_over_at_once_and_cannot_be_canceled_again(lasting, mlgit, golden):
    assert mlgit("job", "cancel", "sum", cwd=lasting).code == 0
    assert mlgit("job", "wait", "sum", cwd=lasting).code == 1
    again = mlgit("job", "cancel", "sum", cwd=lasting)
    assert again.code == 1
    golden("cli/faults/run-ended.txt", again.err)


def test_metrics_show_the_last_value_of_each(small, mlgit, golden):
    commit(small, "logging", {"src/sum.py": LOGGING})
    assert mlgit("apply", "--auto-approve", "--wait", cwd=small).code == 0
    golden("cli/reading/job-metrics-logged.txt", mlgit("job", "metrics", "sum", cwd=small).out)
    logged = json.loads(mlgit("job", "metrics", "sum", "--format", "json", cwd=small).out)
    assert [(metric["key"], metric["value"], metric["step"]) for metric in logged] == [
        ("loss", 0.9, 0),
        ("loss", 0.5, 1),
    ]
    assert "loss: 0.5" in mlgit("job", "show", "sum", cwd=small).out


def test_a_job_that_is_run_by_hand_waits_for_a_rerun(small, mlgit, golden):
    edit(small, "mlgit.yml", "store:", 'assets: {include: [{glob: "**/*.yml", run: manual}]}\nstore:')
    commit(small)
    assert mlgit("apply", "--auto-approve", cwd=small).code == 0
    golden("cli/plan-manual.txt", mlgit("plan", cwd=small).out)
    assert mlgit("job", "list", cwd=small).out == "There are no runs yet.\n"
    ended = mlgit("job", "rerun", "sum", "--auto-approve", "--wait", cwd=small)
    assert ended.code == 0, ended.err
    assert "completed" in mlgit("job", "list", cwd=small).out
