"""A backend of a plug-in that fails: nothing else stops, and its runs stand as recorded."""

from __future__ import annotations

import pytest
from workspaces import APPLY, commit, edit, until, write

pytestmark = pytest.mark.slow

ODD = """
import os
from dataclasses import replace
from reconciler.backends._local import make_local_backend
from reconciler.backends.local import BACKEND

ODD = replace(BACKEND, open="odd_backend:Odd", is_host_bound=False)

class Odd:
    def __init__(self, *arguments):
        self.fail("open")
        self.local = make_local_backend(*arguments)

    def fail(self, name):
        if os.environ["ODD_PLACE"] == name:
            exec(os.environ["ODD_FAULT"])

    def __getattr__(self, name):
        method = getattr(self.local, name)
        if name == "poll" and os.environ["ODD_PLACE"] == "answer":
            return lambda handles: eval(os.environ["ODD_FAULT"])
        return lambda *arguments, **options: self.fail(name) or method(*arguments, **options)
"""
FAULTS = [
    ("open", "raise ConnectionError('no route')"),
    ("open", "raise SystemExit(4)"),
    ("poll", "raise ConnectionError('no route')"),
    ("poll", "raise SystemExit(4)"),
    ("answer", "None"),
    ("answer", "{}"),
    ("answer", "3"),
    ("answer", "{handle: 'running' for handle in handles}"),
    ("answer", "[*handles]"),
]


@pytest.fixture
def folder(small, tmp_path, monkeypatch):
    """The small workspace with its jobs on a backend that does as the environment says, and others on `local`."""
    write(
        tmp_path / "packages",
        {
            "odd_backend.py": ODD,
            "odd_backend-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: odd_backend\nVersion: 1.0\n",
            "odd_backend-1.0.dist-info/entry_points.txt": "[mlgit.backends]\nodd = odd_backend:ODD\n",
        },
    )
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setenv("ODD_PLACE", "")
    edit(small, "mlgit.yml", "backends: {local: {type: local}}", "backends: {local: {type: local}, odd: {type: odd}}")
    edit(small, "mlgit.yml", 'compute: {"*": local}', 'compute: {"*": odd, here: local}')
    commit(small)
    return small


@pytest.mark.parametrize(("place", "fault"), FAULTS)
def test_a_backend_that_fails_stops_nothing_else_and_its_runs_stand_as_recorded(  # noqa: PLR0913, PLR0917 - fixtures
    folder, tmp_path, monkeypatch, mlgit, run_json, place, fault
):
    go = tmp_path / "go"
    script = f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.05)\n"
    commit(folder, "wait", {"src/sum.py": script})
    assert mlgit("apply", "--auto-approve", cwd=folder).code == 0
    job = (folder / "jobs/sum.yml").read_text().replace("name: sum", "name: near")
    near = "import pathlib, sys\npathlib.Path(sys.argv[3], 'total.txt').write_text('1')\n"
    files = {"jobs/near.yml": job.replace("compute: local", "compute: here").replace("sum.py", "near.py")}
    commit(folder, "another job", {**files, "src/near.py": near})
    monkeypatch.setenv("ODD_PLACE", place)
    monkeypatch.setenv("ODD_FAULT", fault)
    for command in (("status",), ("plan", "--refresh"), ("drift",), ("job", "list")):
        shown = mlgit(*command, cwd=folder)
        assert shown.code == 0, shown.err
        assert "the backend odd cannot be reached: " in shown.out + shown.err
        assert "lost" not in shown.out
    ended = mlgit("apply", "--auto-approve", cwd=folder)
    assert "first run of job/near" in ended.out, ended.out + ended.err
    until(
        lambda: {run["status"] for run in run_json(folder, "job", "list") if run["job"] == "job/near"} == {"completed"}
    )
    stopped = mlgit("job", "wait", "sum", cwd=folder)
    assert stopped.code == 1
    assert "[backend-broken]" in stopped.err
    monkeypatch.setenv("ODD_PLACE", "")
    go.touch()
    ended = mlgit(*APPLY, cwd=folder)
    runs = run_json(folder, "job", "list")
    assert {(run["status"], run["attempt"]) for run in runs} == {("completed", 1)}, ended.out + ended.err


def test_a_run_of_a_removed_job_that_cannot_be_canceled_is_not_waited_for_and_canceled_by_the_next_apply(  # noqa: PLR0913, PLR0917 - fixtures
    folder, tmp_path, monkeypatch, mlgit, mlgit_process, run_json
):
    commit(folder, "wait", {"src/sum.py": "import time\ntime.sleep(300)\n"})
    assert mlgit("apply", "--auto-approve", cwd=folder).code == 0
    for path in ("jobs/sum.yml", "models/total.yml"):
        (folder / path).unlink()
    commit(folder, "remove the job")
    monkeypatch.setenv("ODD_PLACE", "cancel")
    monkeypatch.setenv("ODD_FAULT", "raise ConnectionError('no route')")
    process = mlgit_process(*APPLY, cwd=folder, env={"PYTHONPATH": str(tmp_path / "packages")})
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, out + err  # as of every plug-in that raises something else than UserError
    assert "is no longer in Git" in out
    monkeypatch.setenv("ODD_PLACE", "")
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    assert [run["status"] for run in run_json(folder, "job", "list")] == ["canceled"]
    assert mlgit("plan", "--detailed-exitcode", cwd=folder).code == 0


@pytest.mark.parametrize("place", ["poll", "usage"])
def test_a_signal_while_a_backend_is_asked_ends_the_command_and_is_no_failure_of_the_backend(
    folder, tmp_path, mlgit, mlgit_process, place
):
    commit(folder, "wait", {"src/sum.py": "import time\ntime.sleep(300)\n"})
    assert mlgit("apply", "--auto-approve", cwd=folder).code == 0
    asked = tmp_path / "asked"
    fault = f"open({str(asked)!r}, 'w').close(); import time; time.sleep(60)"
    environment = {"PYTHONPATH": str(tmp_path / "packages"), "ODD_PLACE": place, "ODD_FAULT": fault}
    process = mlgit_process("status", cwd=folder, env=environment)
    until(asked.exists)
    process.terminate()
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (143, "", "")
    assert mlgit("job", "cancel", "sum", cwd=folder).code == 0
