"""A destroy while a job runs: the run is canceled, nothing of it is left, and the job runs again when it is applied."""

from __future__ import annotations

from held_locks import locked
from workspaces import APPLY, commit, edit, git, has_ended, until

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


def test_what_another_apply_locks_stays_with_all_that_contains_it_and_the_rest_goes(applied, mlgit, opened):
    with locked(opened(applied), shared=("data/numbers",)):
        ended = mlgit(*DESTROY, cwd=applied)
    assert ended.code == 1
    assert "Applied 3 changes, 2 locked by another apply." in ended.out
    planned = mlgit("plan", "--destroy", cwd=applied).out
    assert "data/numbers: archive" in planned
    assert planned.startswith("Plan: 2 changes, destroys 2 assets.\n")
    assert mlgit(*DESTROY, cwd=applied).code == 0


def test_a_destroy_goes_on_where_an_apply_failed(waiting, mlgit):
    folder = waiting.folder
    assert mlgit("apply", "--auto-approve", cwd=folder).code == 0
    until(waiting.executions)
    edit(folder, "mlgit.yml", "{local: {type: local}}", "{other: {type: local}}")
    edit(folder, "mlgit.yml", '{"*": local}', '{"*": other}')
    commit(folder)
    failed = mlgit(*DESTROY, cwd=folder)
    assert failed.code == 1
    assert "[backend-missing]" in failed.out
    assert "archive: skipped because cancel job/sum@" in failed.out
    assert "Fix the errors above and run `mlgit apply --destroy` again to resume." in failed.out
    git(folder, "revert", "--no-edit", "HEAD")
    assert mlgit(*DESTROY, cwd=folder).code == 0
    assert mlgit("list", cwd=folder).out == "No asset is live.\n"


def test_a_destroy_without_the_store_keeps_the_store_of_the_state(applied, mlgit, tmp_path):
    (applied / ".mlgit").rename(tmp_path / "unmounted")
    assert mlgit(*DESTROY, cwd=applied).code == 0
    assert not (applied / ".mlgit/store").exists()
    (tmp_path / "unmounted").rename(applied / ".mlgit")
    again = mlgit(*APPLY, cwd=applied)
    assert again.code == 0, again.err
    assert "adopt run" in again.out
