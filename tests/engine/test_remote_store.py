"""A store in another process that shares no folder: what is applied goes through it, and without it nothing is lost."""

from __future__ import annotations

import pytest
from remote.backend_server import ServerProcess
from remote.object_store import RemoteBench, install_remote_plugins
from workspaces import APPLY, commit, edit, until

pytestmark = pytest.mark.slow


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """The server of a store, which mlgit finds by name."""
    install_remote_plugins(tmp_path / "packages")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    bench = RemoteBench(tmp_path / "elsewhere")
    yield bench
    bench.stop()


@pytest.fixture
def use_remote(remote):
    """Return a function that makes a workspace use the store, and the reference backend if its port is given."""

    def use(folder, port=0):
        edit(folder, "mlgit.yml", "store: {path: .mlgit/store}", f'store: {{type: remote, url: "{remote.url}"}}')
        if port:
            edit(folder, "mlgit.yml", "{local: {type: local}}", f"{{local: {{type: remote, port: {port}}}}}")
        commit(folder)

    return use


@pytest.fixture(params=["local", "remote"])
def port(request, tmp_path):
    """The port of a backend in another process; 0 for the one on this machine."""
    if request.param == "local":
        yield 0
        return
    (tmp_path / "far").mkdir()
    server = ServerProcess(tmp_path / "far")
    server.start()
    yield server.port
    server.stop()


def test_content_goes_into_the_store_into_a_run_and_out_of_it_again(small, mlgit, use_remote, port, run_json):
    use_remote(small, port)
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 0, ended.out + ended.err
    assert mlgit("job", "logs", "sum", cwd=small).out == "total 6\n"
    (run,) = run_json(small, "job", "list")
    assert run["status"] == "completed"
    assert not list(small.glob(".mlgit/store/files/**/*"))
    text = (small / "jobs/sum.yml").read_text().replace("name: sum", "name: next").replace("sum.py", "show.py")
    text = text.replace("type: uri_file, path: azureml:numbers", "type: custom_model, path: azureml:total")
    show = "import pathlib, sys\nprint((pathlib.Path(sys.argv[1]) / 'total.txt').read_text())\n"
    commit(small, "next", {"jobs/next.yml": text, "src/show.py": show})
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 0, ended.out + ended.err
    assert mlgit("job", "logs", "next", cwd=small).out == "12.0\n"
    assert "No changes" in mlgit("plan", cwd=small).out


def test_what_the_store_forgets_is_restored_from_git_or_named(small, mlgit, remote, use_remote):
    use_remote(small)
    assert mlgit(*APPLY, cwd=small).code == 0
    store_id = remote.open().find_id()
    remote.order(forget=True)
    assert remote.open().create("store/id", store_id.encode())
    drift = mlgit("drift", cwd=small).out
    assert "data/numbers@1: its content is gone from the store" in drift
    assert "what run sum-" in drift
    assert mlgit(*APPLY, cwd=small).code == 0
    drift = mlgit("drift", cwd=small).out
    assert "data/numbers" not in drift
    assert "mlgit job rerun sum" in drift


def test_without_the_store_plans_and_reads_show_what_is_recorded(small, mlgit, remote, use_remote, run_json):
    use_remote(small)
    assert mlgit(*APPLY, cwd=small).code == 0
    before = run_json(small, "job", "list")
    remote.stop()
    assert mlgit("status", cwd=small).code == 0
    planned = mlgit("plan", "--refresh", cwd=small)
    assert (planned.code, "No changes" in planned.out) == (0, True)
    assert f"the object store at {remote.url} does not answer" in planned.err
    drift = mlgit("drift", cwd=small)
    assert (drift.code, f"the object store at {remote.url} does not answer" in drift.out) == (0, True)
    assert run_json(small, "job", "list") == before


def test_an_apply_without_the_store_does_what_needs_none_and_names_the_rest(small, mlgit, remote, use_remote, run_json):
    use_remote(small)
    assert mlgit(*APPLY, cwd=small).code == 0
    compute = (
        "$schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json\nname: cpu\ntype: amlcompute\n"
    )
    files = {"compute/cpu.yml": compute, "data/numbers.csv": "n\n7\n"}
    commit(small, "more", files)
    remote.stop()
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 1
    assert "[store-unreachable]" in ended.out
    assert [asset["address"] for asset in run_json(small, "list", "compute")] == ["compute/cpu"]
    assert [run["status"] for run in run_json(small, "job", "list")] == ["completed"]
    remote.start()
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 0, ended.out + ended.err
    assert mlgit("job", "logs", "sum", cwd=small).out == "total 7\n"


def test_a_run_that_ends_while_the_store_is_unreachable_stands_until_its_outputs_can_be_stored(
    waiting, mlgit, remote, use_remote, run_json
):
    use_remote(waiting.folder)
    assert mlgit("apply", "--auto-approve", cwd=waiting.folder).code == 0
    until(waiting.executions)
    remote.stop()
    waiting.let_it_end()
    assert mlgit("apply", "--auto-approve", cwd=waiting.folder).code in {0, 1}
    assert [run["status"] for run in run_json(waiting.folder, "job", "list")] in (["queued"], ["running"])
    remote.start()
    ended = mlgit(*APPLY, cwd=waiting.folder)
    assert ended.code == 0, ended.out + ended.err
    assert [(run["status"], run["attempt"]) for run in run_json(waiting.folder, "job", "list")] == [("completed", 1)]
    assert len(waiting.executions()) == 1


def test_an_answer_that_breaks_off_is_no_content(small, mlgit, remote, use_remote, run_json):
    use_remote(small)
    assert mlgit(*APPLY, cwd=small).code == 0
    remote.order(cut_after=1)
    edit(small, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(small)
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 1
    assert "[store-unreachable]" in ended.out
    remote.order(cut_after=-1)
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 0, ended.out + ended.err
    assert mlgit("job", "logs", "sum", cwd=small).out == "total 6\n"


def test_a_slow_store_is_waited_for(small, mlgit, remote, use_remote):
    use_remote(small)
    remote.order(delay=0.1)
    assert mlgit(*APPLY, cwd=small).code == 0
