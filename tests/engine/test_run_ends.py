"""Ends of runs: outputs that cannot be stored, late cancels, superseded runs."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit, has_ended, until, write

from reconciler.runner.files import remove_folder

pytestmark = pytest.mark.slow

SUBMIT = ("apply", "--auto-approve")
UNSTORABLE = {
    "a link out": 'pathlib.Path(sys.argv[3], "out").symlink_to("/etc")',
    "no folder": "import shutil; shutil.rmtree(sys.argv[3]); sys.argv[3] = str(here)",
    "a name that is no text": 'open(os.fsencode(sys.argv[3]) + b"/\\xff", "w").close()',
    "a pipe whose name is no text": 'os.mkfifo(os.fsencode(sys.argv[3]) + b"/\\xff\\n::error::\\x1b[31m")',
    "a link to a name that is no text": 'os.symlink(b"\\xff", os.fsencode(sys.argv[3]) + b"/a")',
    "nested folders": 'os.chdir(sys.argv[3]); [(os.mkdir("a"), os.chdir("a")) for _ in range(1200)]; open("b", "w")',
}


@pytest.mark.parametrize("body", UNSTORABLE.values(), ids=UNSTORABLE)
def test_a_run_whose_outputs_cannot_be_stored_is_recorded_as_failed_and_the_apply_ends(
    body, workspace, mlgit, run_json
):
    workspace.script(body)
    result = mlgit(*APPLY, cwd=workspace.folder)
    assert result.code == 1
    assert "[output-not-kept]" in result.out
    assert "\x1b" not in result.out
    assert not [line for line in result.out.splitlines() if line.strip().startswith("::")]
    (run,) = run_json(workspace.folder, "job", "list")
    assert (run["status"], run["failure"]) == ("failed", "user")
    assert run_json(workspace.folder, "list", "model") == []
    second = mlgit(*APPLY, cwd=workspace.folder)
    assert "mlgit job rerun sum" in second.out
    assert len(workspace.executions()) == 1
    assert remove_folder(workspace.folder)  # what is nested so deep, nothing else removes


def test_superseded_runs_are_recorded_when_they_end_and_never_become_current(waiting, mlgit, run_json):
    edit(waiting.folder, "mlgit.yml", "{type: local}", "{type: local, slots: 4}")
    for number in range(2, 6):  # several, because workers record their ends in parallel
        edit(waiting.folder, "jobs/sum.yml", f"factor: {max(number - 1, 2)}", f"factor: {number}")
        commit(waiting.folder)
        assert mlgit(*SUBMIT, cwd=waiting.folder).code == 0
        until(lambda count=number - 1: len(waiting.executions()) == count)
    waiting.let_it_end()
    until(lambda: {run["status"] for run in run_json(waiting.folder, "job", "list")} == {"completed"})
    assert mlgit(*APPLY, cwd=waiting.folder).code == 0
    *old, new = run_json(waiting.folder, "job", "list")
    assert len(old) == 3
    assert all("md5" in run["outputs"]["total"] for run in old)
    (job,) = run_json(waiting.folder, "list", "job")
    assert job["run"] == new["run"]
    (model,) = run_json(waiting.folder, "list", "model")
    assert model["lineage"]["run"] == new["run"]


# A backend like local, on which every run completes just before it would be canceled; it can be full.
_PLUGIN = """
import dataclasses, pathlib, time
from reconciler.backends import _local, local
from reconciler.diagnostics import user_error

class Late(_local.LocalBackend):
    def submit(self, task, store):
        if pathlib.Path(__file__).with_name("full").exists():
            raise user_error("backend-full", "there is no room for another run", "wait for one to end")
        return super().submit(task, store)

    def cancel(self, run):
        pathlib.Path(__file__).parent.with_name("go").touch()
        deadline = time.monotonic() + 120
        while self.poll([run])[run].phase in ("pending", "running") and time.monotonic() < deadline:
            time.sleep(0.02)
        return super().cancel(run)

def make(settings, store):
    return Late(store)

BACKEND = dataclasses.replace(local.BACKEND, open="late:make")
"""


@pytest.fixture
def late(waiting, mlgit_process):
    """Submit a run that completes while it is being canceled; return a function that runs mlgit."""
    plugin = waiting.top / "plugin"
    write(
        plugin,
        {
            "late.py": _PLUGIN,
            "late-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: late\nVersion: 1\n",
            "late-1.dist-info/entry_points.txt": "[mlgit.backends]\nlate = late:BACKEND\n",
        },
    )
    edit(waiting.folder, "mlgit.yml", "type: local", "type: late")
    commit(waiting.folder)

    def run(*command, code=0):
        process = mlgit_process(*command, cwd=waiting.folder, env={"PYTHONPATH": str(plugin)})
        out, err = process.communicate(timeout=180)
        assert process.returncode == code, err
        return out

    run(*SUBMIT)
    until(waiting.executions)
    return run


def test_a_run_that_completes_before_its_cancel_is_recorded_with_its_outputs(late):
    assert "completed before it could be canceled; `mlgit apply` records it" in late("job", "cancel", "sum")
    assert "model/total: version 1 from run sum-" in late(*APPLY)


@pytest.mark.services
def test_a_run_that_completes_while_its_job_is_removed_is_recorded_as_completed(late, waiting):
    for name in ("jobs/sum.yml", "models/total.yml"):
        (waiting.folder / name).unlink()
    commit(waiting.folder)
    late(*SUBMIT)
    (run,) = json.loads(late("job", "list", "--format", "json"))
    assert run["status"] == "completed"
    assert "md5" in run["outputs"]["total"]


@pytest.fixture
def cancelling(waiting):
    """Set on_supersede: cancel; return a function that changes the job and commits it."""
    edit(waiting.folder, "mlgit.yml", "store: {", "on_supersede: cancel\nstore: {")
    commit(waiting.folder)
    before = 2

    def change(factor):
        nonlocal before
        edit(waiting.folder, "jobs/sum.yml", f"factor: {before}", f"factor: {factor}")
        before = factor
        commit(waiting.folder)

    return change


def test_on_supersede_cancels_a_superseded_run_and_resubmits_it_when_its_job_returns(
    cancelling, waiting, mlgit, run_json
):
    assert mlgit(*SUBMIT, cwd=waiting.folder).code == 0
    until(waiting.executions)
    for number, factor in enumerate((3, 2), 2):
        cancelling(factor)
        result = mlgit(*SUBMIT, cwd=waiting.folder)
        assert (result.code, "cancels 1 run" in result.out) == (0, True), result.out + result.err
        until(lambda count=number: len(waiting.executions()) == count)
        assert all(map(has_ended, waiting.executions()[:-1]))
    waiting.let_it_end()
    assert mlgit(*APPLY, cwd=waiting.folder).code == 0
    runs = run_json(waiting.folder, "job", "list")
    superseded = ("canceled", "superseded")
    assert [(run["status"], run.get("failure")) for run in runs] == [superseded, superseded, ("completed", None)]
    assert [run["attempt"] for run in runs] == [1, 1, 2]
    (model,) = run_json(waiting.folder, "list", "model")
    assert model["lineage"]["run"] == runs[-1]["run"]
    assert "No changes" in mlgit("plan", cwd=waiting.folder).out


@pytest.mark.services
def test_a_run_that_completes_while_it_is_superseded_is_recorded_and_registers_nothing(cancelling, late, waiting):
    cancelling(3)
    late(*SUBMIT)
    old, _ = json.loads(late("job", "list", "--format", "json"))
    assert (old["status"], "md5" in old["outputs"]["total"]) == ("completed", True)
    late(*APPLY)
    (model,) = json.loads(late("list", "model", "--format", "json"))
    assert model["lineage"]["run"] != old["run"]


@pytest.mark.services
def test_a_run_is_not_canceled_if_the_superseding_run_cannot_be_submitted(cancelling, late, waiting):
    full = waiting.top / "plugin" / "full"
    full.touch()
    cancelling(3)
    late(*SUBMIT, code=1)
    (process,) = waiting.executions()
    assert not has_ended(process)
    full.unlink()
    late(*SUBMIT)
    assert has_ended(process)


def test_a_rerun_is_refused_while_a_run_is_active(waiting, mlgit, run_json):
    assert mlgit(*SUBMIT, cwd=waiting.folder).code == 0
    until(waiting.executions)
    result = mlgit("job", "rerun", "sum", "--auto-approve", cwd=waiting.folder)
    assert result.code == 1
    assert "[run-active]" in result.err
    assert len(run_json(waiting.folder, "job", "list")) == 1


def test_a_run_canceled_because_its_job_was_removed_is_resubmitted_when_the_job_returns(waiting, mlgit, run_json):
    assert mlgit(*SUBMIT, cwd=waiting.folder).code == 0
    until(waiting.executions)
    job = (waiting.folder / "jobs/sum.yml").read_text()
    model = (waiting.folder / "models/total.yml").read_text()
    (waiting.folder / "jobs/sum.yml").unlink()
    (waiting.folder / "models/total.yml").unlink()
    commit(waiting.folder)
    assert mlgit(*SUBMIT, cwd=waiting.folder).code == 0
    (run,) = run_json(waiting.folder, "job", "list")
    assert (run["status"], run["failure"]) == ("canceled", "removed")
    commit(waiting.folder, "back", {"jobs/sum.yml": job, "models/total.yml": model})
    waiting.let_it_end()
    assert mlgit(*APPLY, cwd=waiting.folder).code == 0
    assert [run["status"] for run in run_json(waiting.folder, "job", "list")] == ["canceled", "completed"]


def test_a_run_whose_backend_was_renamed_is_not_waited_for_and_no_error(waiting, mlgit):
    assert mlgit(*SUBMIT, cwd=waiting.folder).code == 0
    until(waiting.executions)
    edit(waiting.folder, "mlgit.yml", "{local: {type: local}}", "{here: {type: local}}")
    edit(waiting.folder, "mlgit.yml", '"*": local', '"*": here')
    commit(waiting.folder)
    result = mlgit(*APPLY, cwd=waiting.folder)
    assert result.code == 0, result.err
    assert "its backend local is not in mlgit.yml" in result.out
    assert mlgit("job", "show", "sum", cwd=waiting.folder).code == 0
    asked = mlgit("job", "logs", "sum", cwd=waiting.folder)
    assert "[backend-missing]" in asked.err


def test_a_file_output_is_stored_as_a_file_and_passed_on_as_a_file(workspace, mlgit, run_json):
    edit(workspace.folder, "jobs/sum.yml", "{type: uri_folder}", "{type: uri_file}")
    workspace.script('pathlib.Path(sys.argv[3]).write_text("6"); sys.exit()')
    text = (workspace.folder / "jobs/sum.yml").read_text()
    text = text.replace("name: sum", "name: show").replace("azureml:numbers@latest", "azureml:total@latest")
    text = text.replace("type: uri_file, path", "type: custom_model, path").replace("python sum.py", "cat")
    text = text.replace(" ${{inputs.factor}} ${{outputs.total}}", "")
    commit(workspace.folder, "reader", {"jobs/show.yml": text})
    result = mlgit(*APPLY, cwd=workspace.folder)
    assert result.code == 0, result.out + result.err
    (output,) = (run["outputs"]["total"] for run in run_json(workspace.folder, "job", "list", "sum"))
    assert (output["name"], output["files"]) == ("total", 1)
    assert mlgit("job", "logs", "show", cwd=workspace.folder).out == "6"
