"""A backend in another process that shares no folder: runs go through it, and without it nothing else stops."""

from __future__ import annotations

import pytest
from remote.backend import install_remote_backend
from remote.backend_server import ServerProcess
from workspaces import APPLY, commit, edit, until

pytestmark = [pytest.mark.slow, pytest.mark.services]


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The server of a backend, which mlgit finds by name."""
    install_remote_backend(tmp_path / "packages")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    (tmp_path / "elsewhere").mkdir()
    server = ServerProcess(tmp_path / "elsewhere")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def folder(small, server):
    """The small workspace with its jobs on the remote backend, and a second one for what is on the local backend."""
    backends = f"backends: {{local: {{type: local}}, far: {{type: remote, port: {server.port}, timeout: 2}}}}"
    edit(small, "mlgit.yml", "backends: {local: {type: local}}", backends)
    edit(small, "mlgit.yml", 'compute: {"*": local}', 'compute: {"*": far, here: local}')
    commit(small)
    return small


def submit_waiting_run(folder, server, mlgit):
    """Apply a job that runs until `let_it_end`."""
    script = "import pathlib, time\nwhile not pathlib.Path('{go}').exists(): time.sleep(0.05)\n"
    commit(folder, "wait", {"src/sum.py": script.format(go=server.folder / "go")})
    assert mlgit("apply", "--auto-approve", cwd=folder).code == 0


def let_it_end(server):
    (server.folder / "go").touch()


def test_a_run_gets_its_files_there_and_its_outputs_come_into_the_store_here(folder, mlgit, run_json):
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    assert "model/total: version 1 from run sum-" in ended.out
    assert mlgit("job", "logs", "sum", cwd=folder).out == "total 6\n"
    (run,) = run_json(folder, "job", "list")
    assert (run["status"], run["backend"]) == ("completed", "far")
    assert not (folder / ".mlgit/store/runs").exists()
    assert "No changes" in mlgit("plan", cwd=folder).out
    assert "No drift" in mlgit("drift", cwd=folder).out


@pytest.mark.parametrize("fault", ["stopped", "slow"])
def test_a_backend_that_cannot_be_reached_stops_nothing_else_and_its_runs_stand_as_recorded(
    folder, server, mlgit, run_json, fault
):
    submit_waiting_run(folder, server, mlgit)
    text = (
        (folder / "jobs/sum.yml")
        .read_text()
        .replace("name: sum", "name: near")
        .replace("compute: local", "compute: here")
    )
    script = "import pathlib, sys\npathlib.Path(sys.argv[3], 'total.txt').write_text('1')\n"
    commit(folder, "another job", {"jobs/near.yml": text.replace("sum.py", "near.py"), "src/near.py": script})
    if fault == "stopped":
        server.stop()
    else:
        (server.folder / "slow").touch()
    for command in (("status",), ("plan", "--refresh"), ("drift",), ("job", "list")):
        shown = mlgit(*command, cwd=folder)
        assert shown.code == 0, shown.err
        assert "the backend far cannot be reached" in shown.out + shown.err
        assert "lost" not in shown.out
    ended = mlgit("apply", "--auto-approve", cwd=folder)
    assert "first run of job/near" in ended.out, ended.out + ended.err
    until(
        lambda: {run["status"] for run in run_json(folder, "job", "list") if run["job"] == "job/near"} == {"completed"}
    )
    if fault == "stopped":
        server.start()
    else:
        (server.folder / "slow").unlink()
    let_it_end(server)
    ended = mlgit(*APPLY, cwd=folder)
    assert {run["status"] for run in run_json(folder, "job", "list")} == {"completed"}, ended.out + ended.err


def test_a_submission_that_was_not_recorded_is_found_by_its_token_and_not_repeated(folder, server, mlgit, run_json):
    submit_waiting_run(folder, server, mlgit)
    (run,) = run_json(folder, "job", "list")
    server.stop()
    server.start()  # it has forgotten all that is not in its folder
    let_it_end(server)
    assert mlgit(*APPLY, cwd=folder).code == 0
    (ended,) = run_json(folder, "job", "list")
    assert (ended["run"], ended["status"], ended["attempt"]) == (run["run"], "completed", 1)


def test_a_run_is_canceled_there(folder, server, mlgit, run_json):
    submit_waiting_run(folder, server, mlgit)
    assert mlgit("job", "cancel", "sum", cwd=folder).code == 0
    (run,) = run_json(folder, "job", "list")
    assert (run["status"], run["failure"]) == ("canceled", "user")


def test_a_job_that_cannot_be_submitted_there_fails_alone(folder, server, mlgit):
    server.stop()
    ended = mlgit("apply", "--auto-approve", cwd=folder)
    assert ended.code == 1
    assert "[backend-unreachable]" in ended.out
    assert "✓ environment/plain: version 1" in ended.out
    server.start()
    assert mlgit(*APPLY, cwd=folder).code == 0
