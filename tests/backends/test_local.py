"""What is specific to the local backend, whose runs are processes of this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from workspaces import has_ended, until

from reconciler.backends import _local
from reconciler.diagnostics import UserError
from reconciler.model import Phase
from reconciler.model.providers import CANCELED
from reconciler.runner.descendants import find_marked


@pytest.fixture
def bench(bench):
    if bench.type != "local":
        pytest.skip("about local processes")
    return bench


def test_a_supervisor_is_identified_by_its_lock_and_not_by_a_process_id_that_can_be_reused(bench):
    task = bench.task("echo started; sleep 300")
    run = bench.submit(task)
    bench.wait_until_running(run)
    bench.kill_runner(task, run)
    supervisor_file = bench.folder / "runs" / run.id / "supervisor.json"
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    try:
        supervisor_file.write_text(json.dumps({"pid": bystander.pid}))
        assert bench.condition(run).phase is Phase.GONE
        bench.backend.cancel(run)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_several_processes_can_poll_a_run_at_once(bench):
    run = bench.submit(bench.task("echo started; sleep 300"))
    bench.wait_until_running(run)
    backends = [bench.backend for _ in range(20)]
    assert {backend.poll([run])[run].phase for backend in backends} == {Phase.RUNNING}


def test_a_run_that_was_never_queued_can_be_submitted_again(bench, monkeypatch):
    class KilledError(BaseException):
        pass

    def kill(*_arguments):
        raise KilledError

    task = bench.task("echo good day")
    with monkeypatch.context() as patch:
        patch.setattr(_local, "install_runner", kill)
        with pytest.raises(KilledError):
            bench.submit(task)
    assert bench.backend.find(task.token) is None
    run = bench.submit(task)
    assert bench.wait_until_ended(run).phase is Phase.SUCCEEDED
    assert bench.log(run) == "good day\n"


def test_a_supervisor_without_a_record_is_found_by_its_token_file(bench):
    run = bench.submit(bench.task("echo $$; sleep 300"))
    bench.wait_until_running(run)
    (bench.folder / "runs" / run.id / "supervisor.json").unlink()
    bench.backend.cancel(run)
    assert bench.condition(run).reason == CANCELED
    assert has_ended(int(bench.log(run)))


def test_two_supervisors_with_one_token_execute_the_command_once(bench, tmp_path):
    task = bench.task(f"echo x >> {tmp_path}/executions; sleep 0.3")
    run = bench.submit(task)
    until((tmp_path / "executions").exists)
    folder = bench.folder / "runs" / run.id
    document = json.loads((folder / "spec.json").read_text())
    (folder / "second.json").write_text(
        json.dumps({**document, "alive_fd": None, "child_lock_fd": None, "slot_fds": []})
    )
    (runner,) = (bench.folder / "runners").iterdir()
    second = subprocess.run(
        [sys.executable, "-I", runner, folder / "second.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 75
    assert "duplicate" in second.stderr
    assert bench.wait_until_ended(run).phase is Phase.SUCCEEDED
    assert (tmp_path / "executions").read_text() == "x\n"


DETACHED = "setsid sleep 300 & setsid bash -c 'trap \"\" TERM; sleep 301' & echo up; sleep 200"


def test_a_second_cancel_stops_what_a_killed_supervisor_has_left(bench):
    task = bench.task(DETACHED)
    run = bench.submit(task)
    bench.wait_until_running(run)
    folder = bench.folder / "runs" / run.id
    until(lambda: len(find_marked(folder)) >= 3)
    os.kill(json.loads((bench.folder / "tokens" / task.token).read_text())["pid"], signal.SIGKILL)
    processes = find_marked(folder)
    assert bench.backend.cancel(run)
    assert all(map(has_ended, processes))


def test_cancel_of_a_run_that_has_ended_stops_what_it_left(bench):
    run = bench.submit(bench.task("true"))
    bench.wait_until_ended(run)
    environment = {"MLGIT_RUN_FOLDER": str(bench.folder / "runs" / run.id)}
    with subprocess.Popen(["sleep", "300"], env=environment) as remaining:
        until(lambda: find_marked(bench.folder / "runs" / run.id))
        assert bench.backend.cancel(run)
        assert remaining.wait(120) == -signal.SIGKILL
    assert bench.condition(run).phase is Phase.SUCCEEDED


def test_a_log_that_a_job_replaced_by_a_link_out_of_its_folder_is_not_read(bench, tmp_path):
    (tmp_path / "outside").write_text("what only the user may read")
    run = bench.submit(bench.task(f"log=../user_logs/std_log.txt; rm $log; ln -s {tmp_path}/outside $log"))
    bench.wait_until_ended(run)
    with pytest.raises(UserError, match="leads out of the folder of run"):
        bench.log(run)
