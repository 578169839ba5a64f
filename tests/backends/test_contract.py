"""What every backend guarantees: these tests run on each backend that is found by name."""

from __future__ import annotations

import json
import shutil

import pytest
from jsonschema import Draft202012Validator
from remote.backend_server import PYTHON
from workspaces import has_ended, until

from reconciler.diagnostics import UserError
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.model import Handle, Phase
from reconciler.model.providers import CANCELED, FILES_GONE
from reconciler.model.tasks import Prefix, Resources, TaskContent, TaskLiteral, TaskOutput

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
MODEL = {"model": TaskOutput("uri_folder")}


def assert_valid(name, document):
    Draft202012Validator(load_schemas()[schema_id(name)]).validate(document)


def test_a_run_goes_from_submitted_to_completed(bench):
    task = bench.task("echo good day")
    handle = bench.submit(task)
    assert bench.condition(handle).phase in (Phase.PENDING, Phase.RUNNING, Phase.SUCCEEDED)
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.SUCCEEDED
    assert (condition.result["token"], condition.result["run"]) == (task.token, task.run)
    assert bench.log(handle) == "good day\n"


def test_a_handle_is_recorded_as_json_and_read_back_as_it_was(bench):
    handle = bench.submit(bench.task("true"))
    assert handle.provider == bench.type
    assert Handle.from_json(json.loads(json.dumps(handle.to_json()))) == handle


@pytest.mark.parametrize("command", ["true", "exit 3", "kill -KILL $$", "echo ${{inputs.missing}}"])
def test_the_result_of_a_run_matches_its_schema(bench, command):
    condition = bench.wait_until_ended(bench.submit(bench.task(command, outputs=MODEL)))
    assert condition.phase is (Phase.SUCCEEDED if command == "true" else Phase.FAILED)
    assert_valid("run-result", condition.result)


def test_the_command_finds_its_code_and_inputs_and_its_outputs_are_collected_into_the_store(bench):
    script = "import shutil, sys\nshutil.copy(sys.argv[1], sys.argv[2])\nprint(sys.argv[3])\n"
    table = TaskContent("uri_file", "ro_mount", bench.file("a.csv", "1\n"))
    task = bench.task(
        "python train.py ${{inputs.table}} ${{outputs.model}} ${{inputs.lr}}",
        {"train.py": script},
        inputs={"table": table, "lr": TaskLiteral(0.1)},
        outputs=MODEL,
    )
    handle = bench.submit(task)
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.SUCCEEDED, bench.log(handle)
    assert condition.result["outputs"] == {"model": {"files": 1, "size": 2}}
    content = bench.backend.collect(handle, bench.store).outputs["model"]
    (file,) = bench.store.manifest(content)
    with bench.store.open(file.digest) as stream:
        assert (file.path, stream.read()) == ("a.csv", b"1\n")
    assert bench.log(handle) == "0.1\n"


@pytest.mark.parametrize(("type_", "name"), [("uri_file", "model"), ("uri_folder", "")])
def test_an_output_of_a_file_type_is_collected_as_a_file(bench, type_, name):
    command = (
        "mkdir -p ${{outputs.model}}; cp /dev/null ${{outputs.model}}/model" if not name else "> ${{outputs.model}}"
    )
    handle = bench.submit(bench.task(command, outputs={"model": TaskOutput(type_)}))
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED, bench.log(handle)
    content = bench.backend.collect(handle, bench.store).outputs["model"]
    assert (content.name, content.is_folder) == (name, not name)


def test_metrics_that_a_script_logs_are_one_json_object_a_line(bench):
    script = (
        "import json, os, urllib.request\n"
        "body = {'run_id': os.environ['MLFLOW_RUN_ID'], 'key': 'loss', 'value': 0.5, 'timestamp': 1, 'step': 2}\n"
        "url = os.environ['MLFLOW_TRACKING_URI'] + '/api/2.0/mlflow/runs/log-metric'\n"
        "token = 'Bearer ' + os.environ['MLFLOW_TRACKING_TOKEN']\n"
        "headers = {'Content-Type': 'application/json', 'Authorization': token}\n"
        "urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)).close()\n"
    )
    handle = bench.submit(bench.task("python log.py", {"log.py": script}))
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.SUCCEEDED, bench.log(handle)
    assert condition.result["metrics"] == {"loss": 0.5}
    (line,) = b"".join(bench.backend.metrics(handle)).decode().splitlines()
    metric = json.loads(line)
    assert (metric["key"], metric["value"], metric["step"]) == ("loss", 0.5, 2)


def test_a_log_is_read_from_a_byte_on_and_followed_to_the_end_of_the_run(bench):
    handle = bench.submit(bench.task("echo one; sleep 0.5; echo two"))
    assert b"".join(bench.backend.log(handle, follow=True)) == b"one\ntwo\n"
    assert not bench.is_active(handle)
    assert b"".join(bench.backend.log(handle, 4)) == b"two\n"


def test_files_of_a_run_that_were_removed_are_an_error_and_the_run_is_gone(bench):
    handle = bench.submit(bench.task("echo begun"))
    bench.wait_until_ended(handle)
    assert bench.backend.describe(handle).locations
    shutil.rmtree(bench.folder / "runs" / handle.id / "user_logs")
    assert bench.condition(handle).reason == FILES_GONE
    shutil.rmtree(bench.folder / "runs" / handle.id)
    assert bench.condition(handle).phase is Phase.GONE
    for read in (bench.backend.log, bench.backend.metrics, bench.backend.describe):
        with pytest.raises(UserError) as caught:
            list(read(handle))
        assert caught.value.diagnostics[0].code == "run-files-gone"


def test_a_command_that_fails_is_a_user_failure_with_its_exit_code(bench):
    condition = bench.wait_until_ended(bench.submit(bench.task("echo no numbers; exit 3")))
    assert condition.phase is Phase.FAILED
    assert condition.result["failure"]["class"] == "user"
    assert condition.result["failure"]["exit_code"] == 3


def test_a_run_is_found_by_its_token(bench):
    task = bench.task("echo good day")
    handle = bench.submit(task)
    assert bench.backend.find(task.token) == handle
    bench.wait_until_ended(handle)
    assert bench.backend.find(task.token) == handle


def test_a_run_is_not_found_by_an_unknown_token(bench):
    task = bench.task("echo good day")
    assert bench.backend.find(task.token) is None
    bench.wait_until_ended(bench.submit(task))
    assert bench.backend.find("0" * 40) is None


def test_a_task_that_is_submitted_twice_is_executed_once(bench, tmp_path):
    task = bench.task(f"echo x >> {tmp_path}/executions; sleep 0.3")
    handle = bench.submit(task)
    assert bench.submit(task) == handle
    bench.wait_until_ended(handle)
    assert bench.submit(task) == handle
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    assert (tmp_path / "executions").read_text() == "x\n"


def test_poll_returns_the_conditions_of_several_runs(bench):
    completed, failed = bench.submit(bench.task("true")), bench.submit(bench.task("false"))
    bench.wait_until_ended(completed)
    bench.wait_until_ended(failed)
    unknown = Handle(bench.type, "gone-00000000")
    conditions = bench.backend.poll([completed, failed, unknown])
    assert {handle: condition.phase for handle, condition in conditions.items()} == {
        completed: Phase.SUCCEEDED,
        failed: Phase.FAILED,
        unknown: Phase.GONE,
    }
    assert bench.backend.poll([]) == {}


@pytest.mark.slow
@pytest.mark.services  # the processes are given ten seconds to end
def test_cancel_stops_the_whole_tree_of_processes(bench, family):
    handle = bench.submit(bench.task("trap '' TERM; python family.py 2; sleep 60", {"family.py": FAMILY}))
    processes = family(handle)
    assert len(processes) == 3
    assert bench.backend.cancel(handle)
    until(lambda: all(has_ended(process) for process in processes))
    condition = bench.wait_until_ended(handle)
    assert (condition.phase, condition.reason) == (Phase.FAILED, CANCELED)


def test_cancel_stops_a_run_that_was_just_submitted(bench):
    handle = bench.submit(bench.task("echo $$; sleep 60"))
    bench.backend.cancel(handle)
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.GONE or condition.reason == CANCELED
    assert all(has_ended(int(line)) for line in (bench.log(handle).splitlines() if condition.reason else ()))


def test_cancel_does_not_change_a_run_that_has_ended(bench):
    handle = bench.submit(bench.task("true"))
    bench.wait_until_ended(handle)
    until(lambda: not bench.backend.cancel(handle))  # the supervisor ends a moment after it has written the result
    assert bench.condition(handle).phase is Phase.SUCCEEDED
    assert not bench.backend.cancel(Handle(bench.type, "gone-00000000"))


def test_a_run_whose_supervisor_was_killed_is_gone_and_cancel_ends_its_processes(bench, family):
    task = bench.task("python family.py 2", {"family.py": FAMILY})
    handle = bench.submit(task)
    processes = family(handle)
    bench.kill_supervisor(task, handle)
    assert bench.condition(handle).phase is Phase.GONE
    assert not any(has_ended(process) for process in processes)
    bench.backend.cancel(handle)
    until(lambda: all(has_ended(process) for process in processes))
    assert bench.condition(handle).phase is Phase.GONE


def test_a_run_that_is_gone_is_not_started_again_by_a_second_submission(bench, tmp_path):
    task = bench.task(f"echo started | tee -a {tmp_path}/executions; sleep 60")
    handle = bench.submit(task)
    bench.wait_until_running(handle)
    bench.kill_supervisor(task, handle)
    bench.backend.cancel(handle)
    bench.submit(task)
    assert bench.condition(handle).phase is Phase.GONE
    assert (tmp_path / "executions").read_text() == "started\n"


def test_a_run_sees_only_the_variables_that_it_is_given(bench, monkeypatch):
    monkeypatch.setenv("SECRET", "s3cr3t")
    environment = Prefix(PYTHON.path, "here", {"FROM_ENVIRONMENT": "1"})
    handle = bench.submit(bench.task("env", environment=environment, variables={"FROM_JOB": "2"}))
    bench.wait_until_ended(handle)
    variables = dict(line.partition("=")[::2] for line in bench.log(handle).splitlines())
    assert (variables["FROM_ENVIRONMENT"], variables["FROM_JOB"]) == ("1", "2")
    assert "SECRET" not in variables


def test_a_run_that_exceeds_its_time_limit_fails_with_the_class_timeout(bench):
    condition = bench.wait_until_ended(bench.submit(bench.task("sleep 60", resources=Resources(timeout=0.3))))
    assert condition.phase is Phase.FAILED
    assert condition.result["failure"]["class"] == "timeout"
