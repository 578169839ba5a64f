"""A store that is lost or replaced: no submission without its content, and no run is recorded as lost."""

from __future__ import annotations

import shutil

import pytest
from workspaces import APPLY, commit, edit, git, until

pytestmark = pytest.mark.slow

SUBMIT = ("apply", "--auto-approve")


def test_content_in_git_is_restored_into_a_lost_store(applied, mlgit, run_json):
    shutil.rmtree(applied / ".mlgit" / "store")
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(applied)
    result = mlgit(*APPLY, cwd=applied)
    assert result.code == 0, result.out + result.err
    assert [(run["status"], run["attempt"]) for run in run_json(applied, "job", "list")] == [("completed", 1)] * 2


def test_a_lost_output_fails_a_submission_before_it_starts(applied, mlgit, run_json):
    text = (applied / "jobs/sum.yml").read_text().replace("name: sum", "name: next")
    text = text.replace("type: uri_file, path: azureml:numbers", "type: custom_model, path: azureml:total")
    shutil.rmtree(applied / ".mlgit" / "store")
    commit(applied, "next", {"jobs/next.yml": text})
    result = mlgit(*APPLY, cwd=applied)
    assert result.code == 1
    assert "[content-missing]" in result.out
    assert "mlgit job rerun" in result.out
    assert run_json(applied, "job", "list", "sum")[0]["status"] == "completed"
    assert len(run_json(applied, "job", "list")) == 1


def test_a_run_in_another_store_is_not_lost(waiting, mlgit, run_json):
    assert mlgit(*SUBMIT, cwd=waiting.folder).code == 0
    until(waiting.executions)
    edit(waiting.folder, "mlgit.yml", ".mlgit/store", ".mlgit/other")
    commit(waiting.folder)
    refused = mlgit(*SUBMIT, cwd=waiting.folder)
    assert refused.code == 1
    assert "[store-other]" in refused.err
    assert [run["status"] for run in run_json(waiting.folder, "job", "list")] == ["queued"]
    assert mlgit("plan", cwd=waiting.folder).code == 0
    edit(waiting.folder, "mlgit.yml", ".mlgit/other", ".mlgit/store")
    commit(waiting.folder)
    waiting.let_it_end()
    assert mlgit(*APPLY, cwd=waiting.folder).code == 0
    assert len(waiting.executions()) == 1


def test_linked_work_trees_share_the_store_and_the_runs(waiting, mlgit, run_json):
    assert mlgit(*SUBMIT, cwd=waiting.folder).code == 0
    until(waiting.executions)
    linked = waiting.top / "linked"
    git(waiting.folder, "worktree", "add", "--quiet", str(linked))
    assert run_json(linked, "job", "list")[0]["status"] == "running"
    waiting.let_it_end()
    assert mlgit(*APPLY, cwd=linked).code == 0
    assert not (linked / ".mlgit").exists()
    assert run_json(waiting.folder, "job", "list")[0]["status"] == "completed"


def test_an_apply_that_waits_stops_if_the_store_is_replaced_and_no_run_is_lost(waiting, mlgit, mlgit_process, run_json):
    process = mlgit_process(*APPLY, cwd=waiting.folder)
    until(waiting.executions)
    until(lambda: [run["status"] for run in run_json(waiting.folder, "job", "list")] == ["running"])
    id_file = waiting.folder / ".mlgit" / "store" / "id"
    store_id = id_file.read_text()
    id_file.write_text("0" * len(store_id))
    _, err = process.communicate(timeout=120)
    assert (process.returncode, "[store-other]" in err) == (1, True)
    id_file.write_text(store_id)
    waiting.let_it_end()
    assert mlgit(*APPLY, cwd=waiting.folder).code == 0
    assert (len(waiting.executions()), len(run_json(waiting.folder, "job", "list"))) == (1, 1)
