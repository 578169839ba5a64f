"""What every backend keeps, run on each one that is found by name: a new backend is tested before it is used."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from workspaces import gone, until

from reconciler.model import RunStatus

# A shell, a child and a grandchild that refuse polite signals, each noting its process.
FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
depth = int(sys.argv[1])
if depth:
    subprocess.Popen([sys.executable, __file__, str(depth - 1)])
time.sleep(60)
"""


def test_rendering_is_deterministic_and_touches_nothing(bench):
    work = bench.work("echo good day", outputs={"model": {"type": "uri_folder"}})
    assert bench.backend.make_submission(work) == bench.backend.make_submission(work)
    assert not bench.store.exists()


def test_what_is_rendered_is_as_it_was(bench, golden):
    work = bench.work(
        "python train.py ${{inputs.lr}} ${{inputs.table}} ${{outputs.model}}",
        {"train.py": "print('good day')\n"},
        inputs={
            "lr": {"kind": "literal", "value": 0.1},
            "table": {
                "kind": "files",
                "type": "uri_file",
                "mode": "ro_mount",
                "files": [["a.csv", "/objects/a", 33188]],
            },
            "far": {"kind": "uri", "value": "https://example.org/table.csv"},
        },
        outputs={"model": {"type": "uri_folder"}},
        environment={"GREETING": "good day"},
        variables={"EPOCHS": "3"},
        timeout=60,
    )
    submission = bench.backend.make_submission(work)
    assert (submission.run, submission.token) == (work.run.id, work.run.token)
    text = json.dumps(submission.spec, indent=1, sort_keys=True).replace(str(Path(sys.executable).parent), "<python>")
    golden(f"backends/{bench.kind}.json", f"{text}\n")


def test_a_run_goes_from_submitted_to_completed(bench):
    run = bench.submit(bench.work("echo good day"))
    assert bench.report(run).status in (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.COMPLETED)
    report = bench.ended(run)
    assert report.status is RunStatus.COMPLETED
    assert report.result
    assert (report.result["token"], report.result["run"]) == (run.token, run.id)
    assert bench.log(run) == "good day\n"


def test_code_inputs_and_outputs_are_where_the_command_looks_for_them(bench):
    files = {"train.py": "import shutil, sys\nshutil.copy(sys.argv[1], sys.argv[2])\nprint(sys.argv[3])\n"}
    table = {
        "kind": "files",
        "type": "uri_file",
        "mode": "ro_mount",
        "files": [["a.csv", str(bench.put("1\n")), 33188]],
    }
    work = bench.work(
        "python train.py ${{inputs.table}} ${{outputs.model}} ${{inputs.lr}}",
        files,
        inputs={"table": table, "lr": {"kind": "literal", "value": 0.1}},
        outputs={"model": {"type": "uri_folder"}},
    )
    run = bench.submit(work)
    report = bench.ended(run)
    assert report.status is RunStatus.COMPLETED, bench.log(run)
    assert report.result
    assert report.result["outputs"] == {"model": {"files": 1, "size": 2}}
    assert (bench.backend.outputs_path(run.id) / "model" / "a.csv").read_text() == "1\n"
    assert bench.log(run) == "0.1\n"


def test_metrics_that_a_script_logs_are_one_json_object_a_line(bench):
    script = (
        "import json, os, urllib.request\n"
        "body = {'run_id': os.environ['MLFLOW_RUN_ID'], 'key': 'loss', 'value': 0.5, 'timestamp': 1, 'step': 2}\n"
        "url = os.environ['MLFLOW_TRACKING_URI'] + '/api/2.0/mlflow/runs/log-metric'\n"
        "token = 'Bearer ' + os.environ['MLFLOW_TRACKING_TOKEN']\n"
        "headers = {'Content-Type': 'application/json', 'Authorization': token}\n"
        "urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)).close()\n"
    )
    run = bench.submit(bench.work("python log.py", {"log.py": script}))
    report = bench.ended(run)
    assert report.status is RunStatus.COMPLETED, bench.log(run)
    assert report.result
    assert report.result["metrics"] == {"loss": 0.5}
    (line,) = bench.backend.metrics_path(run.id).read_text(encoding="utf-8").splitlines()
    logged = json.loads(line)
    assert (logged["key"], logged["value"], logged["step"]) == ("loss", 0.5, 2)


def test_a_command_that_fails_is_the_users_failure_with_its_exit_code(bench):
    report = bench.ended(bench.submit(bench.work("echo no numbers; exit 3")))
    assert report.status is RunStatus.FAILED
    assert report.result
    assert report.result["failure"]["class"] == "user"
    assert report.result["failure"]["exit_code"] == 3


def test_a_run_is_found_by_its_token(bench):
    run = bench.submit(bench.work("echo good day"))
    bench.ended(run)
    found = bench.backend.find(run.id, run.token)
    assert found
    assert found.status is RunStatus.COMPLETED


def test_an_unknown_token_is_not_found(bench):
    work = bench.work("echo good day")
    assert bench.backend.find(work.run.id, work.run.token) is None
    run = bench.submit(work)
    bench.ended(run)
    assert bench.backend.find(run.id, "0" * 40) is None
    assert bench.backend.find("other-00000000", run.token) is None


def test_submitting_twice_runs_once(bench, tmp_path):
    work = bench.work(f"echo x >> {tmp_path}/executions; sleep 0.3")
    run = bench.submit(work)
    bench.submit(work)
    bench.ended(run)
    bench.submit(work)
    assert bench.ended(run).status is RunStatus.COMPLETED
    assert (tmp_path / "executions").read_text() == "x\n"


def test_polling_tells_of_many_runs_at_once(bench):
    good, bad = bench.submit(bench.work("true")), bench.submit(bench.work("false"))
    bench.ended(good)
    bench.ended(bad)
    reports = bench.backend.poll([good.id, bad.id, "gone-00000000"])
    assert {run: report.status for run, report in reports.items()} == {
        good.id: RunStatus.COMPLETED,
        bad.id: RunStatus.FAILED,
        "gone-00000000": RunStatus.LOST,
    }
    assert bench.backend.poll([]) == {}


@pytest.mark.slow
def test_cancel_stops_the_whole_tree_of_processes(bench, family):
    work = bench.work("trap '' TERM; python family.py 2; sleep 60", {"family.py": FAMILY})
    run = bench.submit(work)
    processes = family(run)
    assert len(processes) == 3
    bench.backend.cancel(run.id)
    assert all(gone(process) for process in processes)
    assert bench.report(run).status is RunStatus.CANCELED


def test_cancel_just_after_the_submission_stops_the_run_too(bench):
    run = bench.submit(bench.work("echo $$; sleep 60"))
    bench.backend.cancel(run.id)
    assert bench.report(run).status in (RunStatus.CANCELED, RunStatus.LOST)
    assert all(gone(int(line)) for line in bench.log(run).splitlines())


def test_cancelling_a_run_that_has_ended_leaves_it_as_it_is(bench):
    run = bench.submit(bench.work("true"))
    bench.ended(run)
    bench.backend.cancel(run.id)
    assert bench.report(run).status is RunStatus.COMPLETED
    bench.backend.cancel("gone-00000000")


def test_a_run_whose_supervisor_was_killed_is_lost_and_cancel_ends_the_rest(bench, family):
    run = bench.submit(bench.work("python family.py 2", {"family.py": FAMILY}))
    processes = family(run)
    bench.kill_supervisor(run)
    assert bench.report(run).status is RunStatus.LOST
    assert not any(gone(process) for process in processes)
    bench.backend.cancel(run.id)
    until(lambda: all(gone(process) for process in processes))
    assert bench.report(run).status is RunStatus.LOST


def test_a_lost_run_is_not_begun_again_by_a_second_submission(bench, tmp_path):
    work = bench.work(f"echo begun | tee -a {tmp_path}/executions; sleep 60")
    run = bench.submit(work)
    bench.running(run)
    bench.kill_supervisor(run)
    bench.backend.cancel(run.id)
    bench.submit(work)
    assert bench.report(run).status is RunStatus.LOST
    assert (tmp_path / "executions").read_text() == "begun\n"


def test_a_run_sees_only_what_it_is_given(bench, monkeypatch):
    monkeypatch.setenv("SECRET", "s3cr3t")
    work = bench.work("env", environment={"FROM_ENVIRONMENT": "1"}, variables={"FROM_JOB": "2"})
    run = bench.submit(work)
    bench.ended(run)
    seen = dict(line.partition("=")[::2] for line in bench.log(run).splitlines())
    assert (seen["FROM_ENVIRONMENT"], seen["FROM_JOB"]) == ("1", "2")
    assert "SECRET" not in seen


def test_a_time_limit_ends_a_run_and_says_so(bench):
    report = bench.ended(bench.submit(bench.work("sleep 60", timeout=0.3)))
    assert report.status is RunStatus.FAILED
    assert report.result
    assert report.result["failure"]["class"] == "timeout"
