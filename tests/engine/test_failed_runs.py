"""Failed runs: a job that failed is not retried until a rerun or a change of the job."""

from __future__ import annotations

import pytest
from workspaces import APPLY, commit, edit

pytestmark = pytest.mark.slow

RERUN = ("job", "rerun", "sum", "--auto-approve", "--wait")


def without_progress(text):
    """Return the output without the lines on active runs, which depend on timing."""
    return "".join(
        line for line in text.splitlines(keepends=True) if " is queued" not in line and " is running" not in line
    )


@pytest.fixture
def failing(workspace):
    workspace.script('if not (here / "fixed").exists():\n    sys.exit(print("no numbers today") or 3)')
    return workspace


def test_a_failed_script_fails_the_apply_that_waits_for_it(failing, mlgit, golden, run_json):
    result = mlgit(*APPLY, cwd=failing.folder)
    assert result.code == 1
    golden("cli/failed/apply.txt", without_progress(result.out))
    (run,) = run_json(failing.folder, "job", "list")
    assert (run["status"], run["failure"], run["attempt"]) == ("failed", "user", 1)
    assert run_json(failing.folder, "list", "model") == []


def test_a_failed_job_is_not_retried_and_the_plan_shows_how_to_rerun_it(failing, mlgit, golden):
    mlgit(*APPLY, cwd=failing.folder)
    planned = mlgit("plan", "--detailed-exitcode", cwd=failing.folder)
    assert planned.code == 0
    golden("cli/failed/plan.txt", planned.out)
    assert mlgit("apply", "--auto-approve", cwd=failing.folder).out == planned.out
    golden("cli/failed/status.txt", mlgit("status", cwd=failing.folder).out)
    golden("cli/failed/job-list.txt", mlgit("job", "list", cwd=failing.folder).out)
    golden("cli/failed/job-show.txt", mlgit("job", "show", "sum", cwd=failing.folder).out)
    assert mlgit("job", "logs", "sum", cwd=failing.folder).out == "at work\nno numbers today\n"
    assert len(failing.executions()) == 1


def test_a_rerun_submits_only_that_job(failing, mlgit, run_json, golden):
    mlgit(*APPLY, cwd=failing.folder)
    result = mlgit(*RERUN, cwd=failing.folder)
    assert result.code == 1
    golden("cli/failed/rerun.txt", without_progress(result.out))
    assert [run["attempt"] for run in run_json(failing.folder, "job", "list")] == [1, 2]
    assert len(failing.executions()) == 2


def test_a_rerun_that_completes_makes_the_run_current_and_registers_its_model(failing, mlgit, run_json):
    assert mlgit(*APPLY, cwd=failing.folder).code == 1
    (failing.top / "fixed").touch()
    result = mlgit(*RERUN, cwd=failing.folder)
    assert result.code == 0, result.out
    first, second = run_json(failing.folder, "job", "list")
    assert (first["status"], second["status"]) == ("failed", "completed")
    (job,) = run_json(failing.folder, "list", "job")
    assert job["run"] == job["latest"] == second["run"]
    assert mlgit(*APPLY, cwd=failing.folder).code == 0
    (model,) = run_json(failing.folder, "list", "model")
    assert model["lineage"]["run"] == second["run"]


def test_a_rerun_of_a_completed_job_changes_the_current_run(applied, mlgit, run_json):
    result = mlgit(*RERUN, cwd=applied)
    assert result.code == 0, result.out
    _, second = run_json(applied, "job", "list")
    (job,) = run_json(applied, "list", "job")
    assert job["run"] == second["run"]
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")


def test_replace_on_a_failed_job_runs_it_again(failing, mlgit):
    mlgit(*APPLY, cwd=failing.folder)
    planned = mlgit("plan", "--replace", "job/sum", cwd=failing.folder)
    assert "new run of job/sum on local because it was requested again (attempt 2)" in planned.out
    mlgit(*APPLY, "--replace", "job/sum", cwd=failing.folder)
    assert len(failing.executions()) == 2


def test_a_fixed_script_is_a_new_run(failing, mlgit, run_json):
    mlgit(*APPLY, cwd=failing.folder)
    failing.script("")
    assert "new run of job/sum on local because code changed (sum.py)" in mlgit("plan", cwd=failing.folder).out
    assert mlgit(*APPLY, cwd=failing.folder).code == 0
    assert [run["status"] for run in run_json(failing.folder, "job", "list")] == ["failed", "completed"]
    assert len(run_json(failing.folder, "list", "model")) == 1
    assert mlgit("plan", cwd=failing.folder).out.startswith("No changes. ")


def test_a_failed_run_does_not_become_current(applied, mlgit, run_json):
    edit(applied, "src/sum.py", 'print("total", total)', "sys.exit(3)")
    commit(applied)
    before = run_json(applied, "list", "model")
    assert mlgit(*APPLY, cwd=applied).code == 1
    assert run_json(applied, "list", "model") == before
    (job,) = run_json(applied, "list", "job")
    assert job["run"] != job["latest"]


def test_a_canceled_job_is_not_resubmitted_until_a_rerun(waiting, mlgit, run_json, golden):
    assert mlgit("apply", "--auto-approve", cwd=waiting.folder).code == 0
    canceled = mlgit("job", "cancel", "sum", cwd=waiting.folder)
    assert canceled.code == 0
    golden("cli/failed/cancel.txt", canceled.out)
    golden("cli/failed/plan-after-cancel.txt", mlgit("plan", cwd=waiting.folder).out)
    waiting.let_it_end()
    assert mlgit(*RERUN, cwd=waiting.folder).code == 0
    assert [run["status"] for run in run_json(waiting.folder, "job", "list")] == ["canceled", "completed"]
