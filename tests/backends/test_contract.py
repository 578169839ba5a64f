"""What every backend guarantees, by the numbers of `BEHAVIOURS`: these tests run on each backend found by name."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from backend_behaviours import BEHAVIOURS
from jsonschema import Draft202012Validator
from md5_collision import MD5, OTHER, STORED
from workspaces import until

from reconciler.backends import BACKENDS
from reconciler.diagnostics import UserError
from reconciler.engine.task_contents import check_task_contents
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.model import Handle, Phase
from reconciler.model.providers import CANCELED, FILES_GONE
from reconciler.model.tasks import Resources, TaskContent, TaskLiteral, TaskOutput
from reconciler.storage._sha256 import has_sha256
from reconciler.storage.folder_store import FolderStore

behaviour = pytest.mark.behaviour
# A shell, a child and a grandchild that ignore SIGTERM; each prints a line.
FAMILY = """
import subprocess, sys, time
print("up", flush=True)
depth = int(sys.argv[1])
if depth:
    subprocess.Popen([sys.executable, __file__, str(depth - 1)])
time.sleep(300)
"""
DETACHED = "setsid sleep 300 & setsid sh -c 'trap \"\" TERM; sleep 301' & echo up; sleep 200"
MODEL = {"model": TaskOutput("uri_folder")}


def assert_valid(name, document):
    Draft202012Validator(load_schemas()[schema_id(name)]).validate(document)


@behaviour(1)
def test_a_run_goes_from_submitted_to_completed(bench):
    task = bench.task("echo good day")
    handle = bench.submit(task)
    assert bench.condition(handle).phase in (Phase.PENDING, Phase.RUNNING, Phase.SUCCEEDED)
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.SUCCEEDED
    assert (condition.result["token"], condition.result["run"]) == (task.token, task.run)
    assert bench.log(handle) == "good day\n"


@behaviour(21)
def test_a_handle_is_recorded_as_json_and_read_back_as_it_was(bench):
    handle = bench.submit(bench.task("true"))
    assert handle.provider == bench.type
    assert Handle.from_json(json.loads(json.dumps(handle.to_json()))) == handle


@behaviour(21)
@pytest.mark.parametrize("command", ["true", "exit 3", "kill -KILL $$", "echo ${{inputs.missing}}"])
def test_the_result_of_a_run_matches_its_schema(bench, command):
    condition = bench.wait_until_ended(bench.submit(bench.task(command, outputs=MODEL)))
    assert condition.phase is (Phase.SUCCEEDED if command == "true" else Phase.FAILED)
    assert_valid("run-result", condition.result)


@behaviour(22)
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


@behaviour(23)
@pytest.mark.parametrize(("type_", "name"), [("uri_file", "model"), ("uri_folder", "")])
def test_an_output_of_a_file_type_is_collected_as_a_file(bench, type_, name):
    command = (
        "mkdir -p ${{outputs.model}}; cp /dev/null ${{outputs.model}}/model" if not name else "> ${{outputs.model}}"
    )
    handle = bench.submit(bench.task(command, outputs={"model": TaskOutput(type_)}))
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED, bench.log(handle)
    content = bench.backend.collect(handle, bench.store).outputs["model"]
    assert (content.name, content.is_folder) == (name, not name)


@behaviour(26)
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


@behaviour(10)
def test_a_log_is_read_from_a_byte_on_and_followed_to_the_end_of_the_run(bench):
    handle = bench.submit(bench.task("echo one; sleep 0.5; echo two"))
    assert b"".join(bench.backend.log(handle, follow=True)) == b"one\ntwo\n"
    assert not bench.is_active(handle)
    assert b"".join(bench.backend.log(handle, 4)) == b"two\n"


@behaviour(30)
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


@behaviour(2)
def test_a_command_that_fails_is_a_user_failure_with_its_exit_code(bench):
    condition = bench.wait_until_ended(bench.submit(bench.task("echo no numbers; exit 3")))
    assert condition.phase is Phase.FAILED
    assert condition.result["failure"]["class"] == "user"
    assert condition.result["failure"]["exit_code"] == 3


@behaviour(17)
def test_a_run_is_found_by_its_token(bench):
    task = bench.task("echo good day")
    handle = bench.submit(task)
    assert bench.backend.find(task.token) == handle
    bench.wait_until_ended(handle)
    assert bench.backend.find(task.token) == handle


@behaviour(17)
def test_a_run_is_not_found_by_an_unknown_token(bench):
    task = bench.task("echo good day")
    assert bench.backend.find(task.token) is None
    bench.wait_until_ended(bench.submit(task))
    assert bench.backend.find("0" * 40) is None


@behaviour(18)
def test_a_task_that_is_submitted_twice_is_executed_once(bench):
    task = bench.task("echo x; sleep 0.3")
    handle = bench.submit(task)
    assert bench.submit(task) == handle
    bench.wait_until_ended(handle)
    assert bench.submit(task) == handle
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    assert bench.log(handle) == "x\n"


@behaviour(20)
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


@behaviour(5)
@pytest.mark.slow
def test_cancel_stops_the_whole_tree_of_processes(bench):
    handle = bench.submit(bench.task("python family.py 2; sleep 300", {"family.py": FAMILY}))
    bench.wait_until_running(handle, lines=3)
    assert len(bench.processes(handle)) >= 3
    assert bench.backend.cancel(handle)
    until(lambda: not bench.processes(handle))
    condition = bench.wait_until_ended(handle)
    assert (condition.phase, condition.reason) == (Phase.FAILED, CANCELED)


@behaviour(6)
def test_cancel_stops_a_run_that_was_just_submitted(bench):
    handle = bench.submit(bench.task("echo up; sleep 300"))
    bench.backend.cancel(handle)
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.GONE or condition.reason == CANCELED
    until(lambda: not bench.processes(handle))


@behaviour(7)
def test_cancel_does_not_change_a_run_that_has_ended(bench):
    handle = bench.submit(bench.task("true"))
    bench.wait_until_ended(handle)
    until(lambda: not bench.backend.cancel(handle))  # the supervisor ends a moment after it has written the result
    assert bench.condition(handle).phase is Phase.SUCCEEDED
    assert not bench.backend.cancel(Handle(bench.type, "gone-00000000"))


@behaviour(8)
@pytest.mark.services  # the processes are given ten seconds to end
def test_cancel_leaves_no_process_in_whatever_session(bench):
    handle = bench.submit(bench.task(DETACHED))
    bench.wait_until_running(handle)
    until(lambda: len(bench.processes(handle)) >= 3)
    assert bench.backend.cancel(handle)
    until(lambda: not bench.processes(handle))
    assert bench.wait_until_ended(handle).reason == CANCELED


@behaviour(9)
def test_background_processes_are_stopped_when_the_command_ends(bench):
    handle = bench.submit(bench.task("sleep 300 & setsid sleep 301 & echo up"))
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    until(lambda: not bench.processes(handle))


@behaviour(15)
def test_a_run_whose_runner_was_killed_is_gone_and_cancel_ends_its_processes(bench):
    task = bench.task("python family.py 2", {"family.py": FAMILY})
    handle = bench.submit(task)
    bench.wait_until_running(handle, lines=3)
    bench.kill_runner(task, handle)
    assert bench.condition(handle).phase is Phase.GONE
    bench.backend.cancel(handle)
    until(lambda: not bench.processes(handle))
    assert bench.condition(handle).phase is Phase.GONE


@behaviour(16)
def test_a_run_that_is_gone_is_not_started_again_by_a_second_submission(bench):
    task = bench.task("echo started; sleep 300")
    handle = bench.submit(task)
    bench.wait_until_running(handle)
    bench.kill_runner(task, handle)
    bench.backend.cancel(handle)
    bench.submit(task)
    assert bench.condition(handle).phase is Phase.GONE
    assert bench.log(handle) == "started\n"


@behaviour(27)
def test_a_run_sees_only_the_variables_that_it_is_given(bench, monkeypatch):
    monkeypatch.setenv("SECRET", "s3cr3t")
    environment = replace(bench.environment, variables={"FROM_ENVIRONMENT": "1"})
    handle = bench.submit(bench.task("env", environment=environment, variables={"FROM_JOB": "2"}))
    bench.wait_until_ended(handle)
    variables = dict(line.partition("=")[::2] for line in bench.log(handle).splitlines())
    assert (variables["FROM_ENVIRONMENT"], variables["FROM_JOB"]) == ("1", "2")
    assert "SECRET" not in variables


@behaviour(4)
def test_a_run_that_exceeds_its_time_limit_fails_with_the_class_timeout(bench):
    handle = bench.submit(bench.task("setsid sleep 301 & sleep 300", resources=Resources(timeout=0.3)))
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.FAILED
    assert condition.result["failure"]["class"] == "timeout"
    until(lambda: not bench.processes(handle))


@behaviour(3)
@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (35, "signal 35")])
def test_a_command_that_a_signal_ends_is_a_failure_with_its_name(bench, number, name):
    condition = bench.wait_until_ended(bench.submit(bench.task(f"kill -{number} $$")))
    assert condition.phase is Phase.FAILED
    assert (condition.result["failure"]["signal"], condition.result["failure"]["exit_code"]) == (name, None)


@behaviour(11)
def test_a_log_has_every_character_and_bytes_that_are_no_text(bench):
    handle = bench.submit(bench.task("printf 'Grüße, 世界 🌍\\n\\377\\376\\000'"))
    bench.wait_until_ended(handle)
    assert b"".join(bench.backend.log(handle)) == "Grüße, 世界 🌍\n".encode() + b"\xff\xfe\x00"


@behaviour(12)
def test_a_log_of_ten_megabytes_is_complete(bench):
    handle = bench.submit(bench.task("yes 0123456789abcde | head -c 10000000; echo; echo the end"))
    bench.wait_until_ended(handle)
    log = b"".join(bench.backend.log(handle))
    assert len(log) == 10_000_000 + len("\nthe end\n")
    assert log == b"0123456789abcde\n" * 625_000 + b"\nthe end\n"
    assert b"".join(bench.backend.log(handle, -8)) == b"the end\n"


@behaviour(13)
def test_two_runs_go_on_at_once(bench):
    handles = [bench.submit(bench.task(f"echo {name}; sleep 300", name=name)) for name in ("one", "two")]
    for handle in handles:
        bench.wait_until_running(handle)
    assert [bench.condition(handle).phase for handle in handles] == [Phase.RUNNING] * 2


@behaviour(14)
def test_a_run_waits_for_a_free_slot_and_starts_when_there_is_one(bench):
    narrow, message, in_use = bench.narrow()
    first = bench.submit(bench.task("echo first; sleep 300", name="first", compute=narrow))
    second = bench.submit(bench.task("echo second", name="second", compute=narrow))
    bench.wait_until_running(first)
    until(lambda: bench.condition(second).message == message)
    assert bench.condition(second).phase is Phase.PENDING
    until(lambda: [(usage.used, usage.total, usage.queued) for usage in bench.backend.usage()] == [(*in_use, 1)])
    bench.backend.cancel(first)
    assert bench.wait_until_ended(second).phase is Phase.SUCCEEDED


@behaviour(19)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_run_outlives_the_process_that_submitted_it(bench):
    task = bench.task("sleep 0.5; echo good day")
    process = os.fork()
    if process == 0:
        bench.submit(task)
        os._exit(0)
    os.waitpid(process, 0)
    handle = bench.started[task.token] = until(lambda: bench.backend.find(task.token))
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    assert bench.log(handle) == "good day\n"


@behaviour(20)
def test_five_hundred_runs_are_polled_by_one_call(bench):
    active = bench.submit(bench.task("echo up; sleep 300"))
    bench.wait_until_running(active)
    unknown = [Handle(bench.type, f"gone-{number:08x}") for number in range(499)]
    conditions = bench.backend.poll([active, *unknown])
    assert len(conditions) == 500
    assert conditions[active].phase is Phase.RUNNING
    assert {conditions[handle].phase for handle in unknown} == {Phase.GONE}


@behaviour(24)
def test_what_the_command_writes_to_the_folder_outputs_is_kept(bench):
    handle = bench.submit(bench.task("echo 1 > outputs/model.txt"))
    condition = bench.wait_until_ended(handle)
    assert "artifacts" in condition.result["outputs"]
    assert bench.backend.describe(handle).artifacts == ("outputs/model.txt",)
    content = bench.backend.collect(handle, bench.store).outputs["artifacts"]
    assert [file.path for file in bench.store.manifest(content)] == ["outputs/model.txt"]


@behaviour(25)
@pytest.mark.parametrize("mode", ["ro_mount", "download"])
def test_a_job_that_writes_to_its_inputs_changes_nothing_in_the_store(bench, mode):
    table = TaskContent("uri_file", mode, bench.file("a.csv", "1\n"))
    command = "chmod u+w ${{inputs.table}}; echo 2 > ${{inputs.table}}; cat ${{inputs.table}}"
    handle = bench.submit(bench.task(command, inputs={"table": table}))
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED, bench.log(handle)
    assert bench.log(handle) == "2\n"
    (file,) = bench.store.manifest(table.content)
    with bench.store.open(file.digest) as stream:
        assert stream.read() == b"1\n"


@behaviour(28)
@pytest.mark.services  # pip takes seconds
def test_a_package_that_a_job_installs_with_pip_is_there_for_this_run_only(bench):
    wheel = (
        "import zipfile\n"
        "metadata = 'Metadata-Version: 2.1\\nName: greeting\\nVersion: 1.0\\n'\n"
        "with zipfile.ZipFile('greeting-1.0-py3-none-any.whl', 'w') as file:\n"
        "    file.writestr('greeting.py', 'TEXT = \"good day\"')\n"
        "    file.writestr('greeting-1.0.dist-info/METADATA', metadata)\n"
        "    file.writestr('greeting-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nTag: py3-none-any\\n')\n"
        "    file.writestr('greeting-1.0.dist-info/RECORD', '')\n"
    )
    say = "python -c 'import greeting; print(greeting.TEXT)'"
    install = f"python wheel.py && python -m pip install -q --no-index greeting-1.0-py3-none-any.whl && {say}"
    first = bench.submit(bench.task(install, {"wheel.py": wheel}))
    assert bench.wait_until_ended(first).phase is Phase.SUCCEEDED, bench.log(first)
    assert bench.log(first).endswith("good day\n")
    second = bench.submit(bench.task(say))
    assert bench.wait_until_ended(second).phase is Phase.FAILED
    assert "No module named 'greeting'" in bench.log(second)


@behaviour(29)
def test_all_files_of_a_run_belong_to_who_submitted_it(bench):
    handle = bench.submit(bench.task("mkdir -p outputs/a; echo 1 > outputs/a/b; echo up", outputs=MODEL))
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED, bench.log(handle)
    owners = {path.lstat().st_uid for path in (bench.folder / "runs" / handle.id).rglob("*")}
    assert owners == {os.getuid()}


class StoreOfOthers(FolderStore):
    """A store that others write to, as one on a service."""

    def has_recorded_sha256(self, content):
        return has_sha256(self, content, self.manifest(content))


def submit_checked(backend, task, store):
    """Submit a task as commands do."""
    check_task_contents(store, task, backend)
    return backend.submit(task, store)


@behaviour(31)
def test_code_and_inputs_with_another_sha256_start_no_run(bench):
    """Bytes of the same md5: either who submits checks them, or the backend declares that it does."""
    store, backend = StoreOfOthers(bench.store.root), bench.backend
    inputs = {"data": TaskContent("uri_file", "ro_mount", store.put_file("a.bin", BytesIO(STORED)))}
    expected = hashlib.sha256(STORED).hexdigest()
    digest = "hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest()"
    code = {"check.py": f"import hashlib, sys\nassert {digest} == '{expected}'\n"}
    task = bench.task("python check.py ${{inputs.data}}", code, inputs=inputs)
    (bench.folder / "store/files/md5" / MD5[:2] / MD5[2:]).unlink(missing_ok=True)  # of another test
    path = store.object_files.object_path(MD5)
    path.chmod(0o644)
    path.write_bytes(OTHER)
    for _ in range(2):  # the second time, the backend may have kept something
        with pytest.raises(UserError) as caught:
            submit_checked(backend, task, store)
        (problem,) = caught.value.diagnostics
        assert problem.code == "content-corrupt"
        assert problem.message.startswith("job/train: input data is not as it was stored: ")
        assert backend.find(task.token) is None
    path.write_bytes(STORED)
    bench.started[task.token] = handle = submit_checked(backend, task, store)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED, bench.log(handle)


def test_each_number_of_the_contract_has_a_test():
    tests = [value for name, value in globals().items() if name.startswith("test_")]
    marks = [mark for test in tests for mark in getattr(test, "pytestmark", ()) if mark.name == "behaviour"]
    assert sorted({mark.args[0] for mark in marks}) == list(BEHAVIOURS)
    assert len(BEHAVIOURS) >= 30


def test_the_page_of_backends_has_each_behaviour_and_the_result_of_its_tests():
    lines = (Path(__file__).parents[2] / "docs/backends.md").read_text("utf-8").splitlines()
    results = " | ".join("yes" for _ in BACKENDS.names())
    missing = [number for number, text in BEHAVIOURS.items() if f"| {number} | {text} | {results} |" not in lines]
    assert missing == [], "run `make contract`"
