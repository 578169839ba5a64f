"""What every backend guarantees: these tests run on each backend that is found by name."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from workspaces import has_ended, until

from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.model import RunStatus
from reconciler.runner.spec import FilesInput, JobOutput, LiteralInput, StagedFile, UriInput, parse_spec

# A shell, a child and a grandchild that ignore SIGTERM; each prints its process id.
FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
depth = int(sys.argv[1])
if depth:
    subprocess.Popen([sys.executable, __file__, str(depth - 1)])
time.sleep(60)
"""
MODEL = {"model": JobOutput("uri_folder")}


def assert_valid(name, document):
    Draft202012Validator(load_schemas()[schema_id(name)]).validate(document)


def all_inputs_task(bench):
    table = StagedFile("a.csv", Path("/objects/a"), 33188)
    return bench.task(
        "python train.py ${{inputs.lr}} ${{inputs.table}} ${{outputs.model}}",
        {"train.py": "print('good day')\n"},
        inputs={
            "lr": LiteralInput(0.1),
            "table": FilesInput("uri_file", "ro_mount", (table,)),
            "far": UriInput("https://example.org/table.csv"),
        },
        outputs=MODEL,
        environment={"GREETING": "good day"},
        variables={"EPOCHS": "3"},
        timeout=60,
    )


def test_making_a_submission_is_deterministic_and_writes_nothing(bench):
    task = bench.task("echo good day", outputs=MODEL)
    assert bench.backend.make_submission(task) == bench.backend.make_submission(task)
    assert not bench.store.exists()


def test_the_spec_of_a_submission_is_the_recorded_one(bench, golden):
    task = all_inputs_task(bench)
    submission = bench.backend.make_submission(task)
    assert (submission.run, submission.token) == (task.run.id, task.run.token)
    text = json.dumps(submission.spec.to_json(), indent=1, sort_keys=True)
    golden(f"backends/{bench.type}.json", f"{text}\n".replace(str(Path(sys.executable).parent), "<python>"))


def test_the_spec_of_a_submission_matches_its_schema_and_is_read_back_as_it_was(bench):
    spec = bench.backend.make_submission(all_inputs_task(bench)).spec
    document = json.loads(json.dumps(spec.to_json()))
    assert_valid("run-spec", document)
    assert parse_spec(document) == spec


def test_a_run_goes_from_submitted_to_completed(bench):
    run = bench.submit(bench.task("echo good day"))
    assert bench.report(run).status in (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.COMPLETED)
    report = bench.wait_until_ended(run)
    assert report.status is RunStatus.COMPLETED
    assert report.result
    assert (report.result["token"], report.result["run"]) == (run.token, run.id)
    assert bench.log(run) == "good day\n"


@pytest.mark.parametrize("command", ["true", "exit 3", "kill -KILL $$", "echo ${{inputs.missing}}"])
def test_the_result_of_a_run_matches_its_schema(bench, command):
    report = bench.wait_until_ended(bench.submit(bench.task(command, outputs=MODEL)))
    assert report.status is (RunStatus.COMPLETED if command == "true" else RunStatus.FAILED)
    assert_valid("run-result", report.result)


def test_the_command_finds_its_code_inputs_and_outputs(bench):
    script = "import shutil, sys\nshutil.copy(sys.argv[1], sys.argv[2])\nprint(sys.argv[3])\n"
    table = FilesInput("uri_file", "ro_mount", (bench.staged_file("a.csv", "1\n"),))
    task = bench.task(
        "python train.py ${{inputs.table}} ${{outputs.model}} ${{inputs.lr}}",
        {"train.py": script},
        inputs={"table": table, "lr": LiteralInput(0.1)},
        outputs=MODEL,
    )
    run = bench.submit(task)
    report = bench.wait_until_ended(run)
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
    run = bench.submit(bench.task("python log.py", {"log.py": script}))
    report = bench.wait_until_ended(run)
    assert report.status is RunStatus.COMPLETED, bench.log(run)
    assert report.result
    assert report.result["metrics"] == {"loss": 0.5}
    (line,) = bench.backend.metrics_path(run.id).read_text(encoding="utf-8").splitlines()
    metric = json.loads(line)
    assert (metric["key"], metric["value"], metric["step"]) == ("loss", 0.5, 2)


def test_the_folder_of_a_run_has_its_files_and_may_be_removed_when_it_has_ended(bench):
    run = bench.submit(bench.task("echo begun"))
    bench.wait_until_ended(run)
    folder = bench.backend.run_folder(run.id)
    assert folder in bench.backend.log_path(run.id).parents
    assert folder in bench.backend.metrics_path(run.id).parents
    shutil.rmtree(folder)
    assert bench.backend.poll([run.id])[run.id].status is RunStatus.LOST


def test_a_command_that_fails_is_a_user_failure_with_its_exit_code(bench):
    report = bench.wait_until_ended(bench.submit(bench.task("echo no numbers; exit 3")))
    assert report.status is RunStatus.FAILED
    assert report.result
    assert report.result["failure"]["class"] == "user"
    assert report.result["failure"]["exit_code"] == 3


def test_a_run_is_found_by_its_token(bench):
    run = bench.submit(bench.task("echo good day"))
    bench.wait_until_ended(run)
    report = bench.backend.find(run.id, run.token)
    assert report
    assert report.status is RunStatus.COMPLETED


def test_a_run_is_not_found_by_an_unknown_token(bench):
    task = bench.task("echo good day")
    assert bench.backend.find(task.run.id, task.run.token) is None
    run = bench.submit(task)
    bench.wait_until_ended(run)
    assert bench.backend.find(run.id, "0" * 40) is None
    assert bench.backend.find("other-00000000", run.token) is None


def test_a_task_that_is_submitted_twice_is_executed_once(bench, tmp_path):
    task = bench.task(f"echo x >> {tmp_path}/executions; sleep 0.3")
    run = bench.submit(task)
    bench.submit(task)
    bench.wait_until_ended(run)
    bench.submit(task)
    assert bench.wait_until_ended(run).status is RunStatus.COMPLETED
    assert (tmp_path / "executions").read_text() == "x\n"


def test_poll_returns_the_reports_of_several_runs(bench):
    completed, failed = bench.submit(bench.task("true")), bench.submit(bench.task("false"))
    bench.wait_until_ended(completed)
    bench.wait_until_ended(failed)
    reports = bench.backend.poll([completed.id, failed.id, "gone-00000000"])
    assert {run: report.status for run, report in reports.items()} == {
        completed.id: RunStatus.COMPLETED,
        failed.id: RunStatus.FAILED,
        "gone-00000000": RunStatus.LOST,
    }
    assert bench.backend.poll([]) == {}


@pytest.mark.slow
def test_cancel_stops_the_whole_tree_of_processes(bench, family):
    task = bench.task("trap '' TERM; python family.py 2; sleep 60", {"family.py": FAMILY})
    run = bench.submit(task)
    processes = family(run)
    assert len(processes) == 3
    bench.backend.cancel(run.id)
    assert all(has_ended(process) for process in processes)
    assert bench.report(run).status is RunStatus.CANCELED


def test_cancel_stops_a_run_that_was_just_submitted(bench):
    run = bench.submit(bench.task("echo $$; sleep 60"))
    bench.backend.cancel(run.id)
    assert bench.report(run).status in (RunStatus.CANCELED, RunStatus.LOST)
    assert all(has_ended(int(line)) for line in bench.log(run).splitlines())


def test_cancel_does_not_change_a_run_that_has_ended(bench):
    run = bench.submit(bench.task("true"))
    bench.wait_until_ended(run)
    bench.backend.cancel(run.id)
    assert bench.report(run).status is RunStatus.COMPLETED
    bench.backend.cancel("gone-00000000")


def test_a_run_whose_supervisor_was_killed_is_lost_and_cancel_ends_its_processes(bench, family):
    run = bench.submit(bench.task("python family.py 2", {"family.py": FAMILY}))
    processes = family(run)
    bench.kill_supervisor(run)
    assert bench.report(run).status is RunStatus.LOST
    assert not any(has_ended(process) for process in processes)
    bench.backend.cancel(run.id)
    until(lambda: all(has_ended(process) for process in processes))
    assert bench.report(run).status is RunStatus.LOST


def test_a_lost_run_is_not_started_again_by_a_second_submission(bench, tmp_path):
    task = bench.task(f"echo started | tee -a {tmp_path}/executions; sleep 60")
    run = bench.submit(task)
    bench.wait_until_running(run)
    bench.kill_supervisor(run)
    bench.backend.cancel(run.id)
    bench.submit(task)
    assert bench.report(run).status is RunStatus.LOST
    assert (tmp_path / "executions").read_text() == "started\n"


def test_a_run_sees_only_the_variables_that_it_is_given(bench, monkeypatch):
    monkeypatch.setenv("SECRET", "s3cr3t")
    task = bench.task("env", environment={"FROM_ENVIRONMENT": "1"}, variables={"FROM_JOB": "2"})
    run = bench.submit(task)
    bench.wait_until_ended(run)
    variables = dict(line.partition("=")[::2] for line in bench.log(run).splitlines())
    assert (variables["FROM_ENVIRONMENT"], variables["FROM_JOB"]) == ("1", "2")
    assert "SECRET" not in variables


def test_a_run_that_exceeds_its_time_limit_fails_with_the_class_timeout(bench):
    report = bench.wait_until_ended(bench.submit(bench.task("sleep 60", timeout=0.3)))
    assert report.status is RunStatus.FAILED
    assert report.result
    assert report.result["failure"]["class"] == "timeout"
