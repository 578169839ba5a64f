"""What is particular to runs that are processes of this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from workspaces import gone, until

from reconciler import backends
from reconciler.backends import local
from reconciler.diagnostics import UserError
from reconciler.model import RunStatus


@pytest.fixture
def bench(bench):
    if bench.kind != "local":
        pytest.skip("about local processes")
    return bench


def test_an_unknown_type_is_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(UserError, match="did you mean local") as refused:
        backends.load_backend({"type": "lokal"}, tmp_path)
    assert refused.value.diagnostics[0].code == "backend-unknown"


def test_a_run_outlives_the_process_that_submitted_it(bench, tmp_path):
    submission = bench.backend.make_submission(bench.work("sleep 0.5; echo still here"))
    bench.started.append(submission.run)
    code = (
        "import json, sys; from pathlib import Path; from reconciler.backends import Submission, load_backend\n"
        "given = json.load(sys.stdin)\n"
        "load_backend({'type': 'local'}, Path(sys.argv[1])).submit(Submission(**given))"
    )
    given = json.dumps({"run": submission.run, "token": submission.token, "spec": dict(submission.spec)})
    subprocess.run([sys.executable, "-c", code, bench.store], input=given, text=True, check=True)
    until(lambda: not bench.backend.poll([submission.run])[submission.run].status.is_active)
    assert bench.backend.log_path(submission.run).read_text() == "still here\n"


def test_a_supervisor_is_told_by_its_lock_and_not_by_a_number_that_another_process_may_have(bench):
    run = bench.submit(bench.work("echo begun; sleep 60"))
    bench.running(run)
    bench.kill_supervisor(run)
    noted = bench.store / "runs" / run.id / "supervisor.json"
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        noted.write_text(json.dumps({"pid": bystander.pid}))
        assert bench.report(run).status is RunStatus.LOST
        bench.backend.cancel(run.id)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_asking_how_a_run_stands_disturbs_nobody_else_who_asks(bench):
    run = bench.submit(bench.work("echo begun; sleep 60"))
    bench.running(run)
    askers = [bench.backend for _ in range(20)]
    assert {asker.poll([run.id])[run.id].status for asker in askers} == {RunStatus.RUNNING}


def test_a_run_that_never_began_may_be_submitted_again(bench, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(_folder):
        raise Killed

    work = bench.work("echo good day")
    with monkeypatch.context() as patch:
        patch.setattr(local, "_start_supervisor", killed)
        with pytest.raises(Killed):
            bench.submit(work)
    assert bench.backend.find(work.run.id, work.run.token) is None
    run = bench.submit(work)
    assert bench.ended(run).status is RunStatus.COMPLETED
    assert bench.log(run) == "good day\n"


def test_a_supervisor_that_nobody_noted_is_found_by_its_claim(bench):
    run = bench.submit(bench.work("echo $$; sleep 60"))
    bench.running(run)
    (bench.store / "runs" / run.id / "supervisor.json").unlink()
    bench.backend.cancel(run.id)
    assert bench.report(run).status is RunStatus.CANCELED
    assert gone(int(bench.log(run)))


def test_two_supervisors_with_one_token_execute_once(bench, tmp_path):
    work = bench.work(f"echo x >> {tmp_path}/executions; sleep 0.3")
    run = bench.submit(work)
    until((tmp_path / "executions").exists)
    folder = bench.store / "runs" / run.id
    spec = {
        key: load for key, load in json.loads((folder / "spec.json").read_text()).items() if not key.endswith("_fd")
    }
    (folder / "again.json").write_text(json.dumps(spec))
    second = subprocess.run(
        [sys.executable, "-I", folder / "runner.pyz", folder / "again.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 75
    assert "duplicate" in second.stderr
    assert bench.ended(run).status is RunStatus.COMPLETED
    assert (tmp_path / "executions").read_text() == "x\n"


def test_a_process_that_ignores_the_end_of_its_run_is_ended_when_the_run_is(bench):
    run = bench.submit(bench.work("sleep 60 & echo $!"))
    assert bench.ended(run).status is RunStatus.COMPLETED
    until(lambda: gone(int(bench.log(run))))


def test_a_signal_to_the_command_is_told_as_such(bench):
    run = bench.submit(bench.work("echo $$; sleep 60"))
    bench.running(run)
    os.kill(int(bench.log(run)), signal.SIGKILL)
    report = bench.ended(run)
    assert report.status is RunStatus.FAILED
    assert report.result
    assert report.result["failure"]["signal"] == "SIGKILL"
