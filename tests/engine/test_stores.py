"""A store that is lost, or another one: nothing is begun without its content, and no run is given up for lost."""

from __future__ import annotations

import shutil

import pytest
from workspaces import APPLY, commit, edit, git, until

pytestmark = pytest.mark.slow

SUBMIT = ("apply", "--auto-approve")


def test_what_git_has_is_put_again_into_a_store_that_was_lost(applied, mlgit, listed):
    shutil.rmtree(applied / ".mlgit" / "store")
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(applied)
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 0, ended.out + ended.err
    assert [(run["status"], run["attempt"]) for run in listed(applied, "job", "list")] == [("completed", 1)] * 2


def test_what_a_run_made_and_the_store_has_lost_stops_a_submission_before_it_begins(applied, mlgit, listed):
    text = (applied / "jobs/sum.yml").read_text().replace("name: sum", "name: next")
    text = text.replace("type: uri_file, path: azureml:numbers", "type: custom_model, path: azureml:total")
    shutil.rmtree(applied / ".mlgit" / "store")
    commit(applied, "next", {"jobs/next.yml": text})
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 1
    assert "[content-missing]" in ended.out
    assert "mlgit job rerun" in ended.out
    assert listed(applied, "job", "list", "sum")[0]["status"] == "completed"
    assert len(listed(applied, "job", "list")) == 1


def test_a_run_in_another_store_is_not_taken_for_lost(waiting, mlgit, listed):
    assert mlgit(*SUBMIT, cwd=waiting.folder).code == 0
    until(waiting.executions)
    edit(waiting.folder, "mlgit.yml", ".mlgit/store", ".mlgit/other")
    commit(waiting.folder)
    refused = mlgit(*SUBMIT, cwd=waiting.folder)
    assert refused.code == 1
    assert "[store-other]" in refused.err
    assert [run["status"] for run in listed(waiting.folder, "job", "list")] == ["queued"]
    assert mlgit("plan", cwd=waiting.folder).code == 0
    edit(waiting.folder, "mlgit.yml", ".mlgit/other", ".mlgit/store")
    commit(waiting.folder)
    waiting.let_it_end()
    assert mlgit(*APPLY, cwd=waiting.folder).code == 0
    assert len(waiting.executions()) == 1


def test_linked_work_trees_share_the_store_and_so_the_runs(waiting, mlgit, listed):
    assert mlgit(*SUBMIT, cwd=waiting.folder).code == 0
    until(waiting.executions)
    linked = waiting.here / "linked"
    git(waiting.folder, "worktree", "add", "--quiet", str(linked))
    assert listed(linked, "job", "list")[0]["status"] == "running"
    waiting.let_it_end()
    assert mlgit(*APPLY, cwd=linked).code == 0
    assert not (linked / ".mlgit").exists()
    assert listed(waiting.folder, "job", "list")[0]["status"] == "completed"
