"""A destroy while a job runs: the run is canceled, nothing of it is left, and the job runs again when it is applied."""

from __future__ import annotations

from workspaces import APPLY, has_ended, until

DESTROY = ("apply", "--destroy", "--auto-approve")


def test_a_destroy_cancels_what_runs_and_leaves_no_process(waiting, mlgit, run_json):
    assert mlgit("apply", "--auto-approve", cwd=waiting.folder).code == 0
    (pid,) = until(waiting.executions)
    planned = mlgit("plan", "--destroy", cwd=waiting.folder).out
    assert planned.startswith("Plan: 5 changes, destroys 4 assets, cancels 1 run.\n")
    ended = mlgit(*DESTROY, cwd=waiting.folder)
    assert ended.code == 0, ended.err
    until(lambda: has_ended(pid))
    (run,) = run_json(waiting.folder, "job", "list")
    assert run["status"] == "canceled"
    assert mlgit("plan", "--destroy", cwd=waiting.folder).out.startswith("No changes. ")
    waiting.let_it_end()
    again = mlgit(*APPLY, cwd=waiting.folder)
    assert again.code == 0, again.err
    assert len(waiting.executions()) == 2
