"""A run that fails by its own fault stays failed until somebody says otherwise, or changes what it is."""

from __future__ import annotations

import pytest
from workspaces import APPLY, commit, edit

pytestmark = pytest.mark.slow

RERUN = ("job", "rerun", "sum", "--auto-approve", "--wait")


def without_progress(text):
    """Leave out how the run was seen to stand: that depends on the moment."""
    return "".join(
        line for line in text.splitlines(keepends=True) if " is queued" not in line and " is running" not in line
    )


@pytest.fixture
def failing(bench):
    bench.script('if not (here / "mended").exists():\n    sys.exit(print("no numbers today") or 3)')
    return bench


def test_a_failed_script_fails_the_apply_that_waits_for_it(failing, mlgit, golden, listed):
    ended = mlgit(*APPLY, cwd=failing.folder)
    assert ended.code == 1
    golden("cli/failed/apply.txt", without_progress(ended.out))
    (run,) = listed(failing.folder, "job", "list")
    assert (run["status"], run["failure"], run["attempt"]) == ("failed", "user", 1)
    assert listed(failing.folder, "list", "model") == []


def test_a_failure_is_sticky_and_the_plan_says_how_to_run_it_again(failing, mlgit, golden):
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


def test_a_rerun_runs_it_again_and_nothing_else(failing, mlgit, listed, golden):
    mlgit(*APPLY, cwd=failing.folder)
    ended = mlgit(*RERUN, cwd=failing.folder)
    assert ended.code == 1
    golden("cli/failed/rerun.txt", without_progress(ended.out))
    assert [run["attempt"] for run in listed(failing.folder, "job", "list")] == [1, 2]
    assert len(failing.executions()) == 2


def test_a_rerun_that_completes_makes_the_run_current_and_registers_its_model(failing, mlgit, listed):
    assert mlgit(*APPLY, cwd=failing.folder).code == 1
    (failing.here / "mended").touch()
    ended = mlgit(*RERUN, cwd=failing.folder)
    assert ended.code == 0, ended.out
    first, second = listed(failing.folder, "job", "list")
    assert (first["status"], second["status"]) == ("failed", "completed")
    (job,) = listed(failing.folder, "list", "job")
    assert job["run"] == job["latest"] == second["run"]
    assert mlgit(*APPLY, cwd=failing.folder).code == 0
    (model,) = listed(failing.folder, "list", "model")
    assert model["lineage"]["run"] == second["run"]


def test_a_rerun_of_a_completed_job_moves_what_is_current(applied, mlgit, listed):
    ended = mlgit(*RERUN, cwd=applied)
    assert ended.code == 0, ended.out
    _, second = listed(applied, "job", "list")
    (job,) = listed(applied, "list", "job")
    assert job["run"] == second["run"]
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")


def test_replace_on_a_failed_job_runs_it_again(failing, mlgit):
    mlgit(*APPLY, cwd=failing.folder)
    planned = mlgit("plan", "--replace", "job/sum", cwd=failing.folder)
    assert "new run of job/sum because it was asked for again (attempt 2)" in planned.out
    mlgit(*APPLY, "--replace", "job/sum", cwd=failing.folder)
    assert len(failing.executions()) == 2


def test_a_mended_script_is_a_new_run(failing, mlgit, listed):
    mlgit(*APPLY, cwd=failing.folder)
    failing.script("")
    assert "new run of job/sum because code changed (sum.py)" in mlgit("plan", cwd=failing.folder).out
    assert mlgit(*APPLY, cwd=failing.folder).code == 0
    assert [run["status"] for run in listed(failing.folder, "job", "list")] == ["failed", "completed"]
    assert len(listed(failing.folder, "list", "model")) == 1
    assert mlgit("plan", cwd=failing.folder).out.startswith("No changes. ")


def test_a_failed_run_leaves_what_was_current_in_place(applied, mlgit, listed):
    edit(applied, "src/sum.py", 'print("total", total)', "sys.exit(3)")
    commit(applied)
    before = listed(applied, "list", "model")
    assert mlgit(*APPLY, cwd=applied).code == 1
    assert listed(applied, "list", "model") == before
    (job,) = listed(applied, "list", "job")
    assert job["run"] != job["latest"]


def test_a_canceled_run_stays_so_until_a_rerun(waiting, mlgit, listed, golden):
    assert mlgit("apply", "--auto-approve", cwd=waiting.folder).code == 0
    canceled = mlgit("job", "cancel", "sum", cwd=waiting.folder)
    assert canceled.code == 0
    golden("cli/failed/cancel.txt", canceled.out)
    golden("cli/failed/plan-after-cancel.txt", mlgit("plan", cwd=waiting.folder).out)
    waiting.let_it_end()
    assert mlgit(*RERUN, cwd=waiting.folder).code == 0
    assert [run["status"] for run in listed(waiting.folder, "job", "list")] == ["canceled", "completed"]
