"""Shallow, partial, sparse and linked clones use the shared live state and stay as they are."""

from __future__ import annotations

import shutil

import pytest
from workspaces import APPLY, commit, git, write

from reconciler.git import refs

pytestmark = pytest.mark.slow


@pytest.fixture
def applied(without_job, mlgit):
    """Return a team whose first clone has applied."""
    ended = mlgit(*APPLY, cwd=without_job.first)
    assert ended.code == 0, ended.err
    return without_job


def shallow(folder):
    return git(folder, "rev-parse", "--is-shallow-repository")


@pytest.mark.parametrize("options", [(), ("--depth", "1"), ("--filter=blob:none",), ("--no-tags", "--single-branch")])
def test_shallow_partial_and_complete_clones_plan_and_apply_and_stay_as_they_are(options, applied, mlgit, data):
    git(applied.origin, "config", "uploadpack.allowFilter", "true")
    other = applied.clone("other", *options)
    before = shallow(other), (other / ".git/shallow").exists() and (other / ".git/shallow").read_text()
    count = git(other, "rev-list", "--count", "HEAD")
    assert mlgit("plan", cwd=other).out.startswith("No changes. ")
    data(other, "more")
    ended = mlgit(*APPLY, cwd=other)
    assert ended.code == 0, ended.err
    assert "data/more: version 1" in ended.out
    assert before == (shallow(other), (other / ".git/shallow").exists() and (other / ".git/shallow").read_text())
    assert int(git(other, "rev-list", "--count", "HEAD")) == int(count) + 1
    git(other, "push", "--quiet", "origin", "HEAD:main")
    git(applied.first, "pull", "--quiet", "origin", "main")
    assert mlgit("plan", cwd=applied.first).out.startswith("No changes. ")


def test_a_partial_clone_has_the_complete_live_state(applied, mlgit):
    git(applied.origin, "config", "uploadpack.allowFilter", "true")
    other = applied.clone("other", "--filter=blob:none")
    assert mlgit("status", cwd=other).code == 0
    shutil.move(applied.origin, applied.folder / "gone.git")  # nothing can be had from there any more
    live = git(other, "rev-parse", "refs/mlgit-remote/origin/small/default/live")
    assert "?" not in git(other, "rev-list", "--objects", "--missing=print", live)


def test_a_new_clone_fetches_the_live_state_automatically(applied, mlgit):
    other = applied.clone("other")
    assert "mlgit" not in git(other, "for-each-ref")
    assert "workspace/small" in mlgit("status", cwd=other).out
    assert "git fetch" not in mlgit("plan", cwd=other).out


def test_the_refs_of_applied_commits_are_not_fetched(applied, mlgit):
    other = applied.clone("other")
    assert mlgit("plan", cwd=other).code == 0
    assert "/sources/" in git(applied.origin, "for-each-ref")
    assert "/sources/" not in git(other, "for-each-ref")


def test_a_linked_work_tree_shares_the_live_state_of_its_clone(applied, mlgit, data):
    git(applied.first, "worktree", "add", "--quiet", "-b", "side", "../side")
    side = applied.folder / "side"
    data(side, "more")
    assert mlgit(*APPLY, cwd=side).code == 0
    git(applied.first, "merge", "--quiet", "side")
    assert mlgit("plan", cwd=applied.first).out.startswith("No changes. ")


def test_files_outside_a_sparse_checkout_are_still_declared(applied, mlgit):
    other = applied.clone("other")
    git(other, "sparse-checkout", "set", "--no-cone", "/mlgit.yml", "/workspace.yml")
    assert not (other / "data").exists()
    plan = mlgit("plan", cwd=other)
    assert plan.out.startswith("No changes. "), plan.out + plan.err


def test_a_workspace_in_a_folder_of_a_larger_repository_shares_its_state(without_job, mlgit):
    first = without_job.first
    (first / "teams").mkdir()
    git(first, "mv", "mlgit.yml", "workspace.yml", "data", ".gitignore", "teams")
    write(first, {"README.md": "other things\n"})
    commit(first, "into a folder")
    git(first, "push", "--quiet", "origin", "HEAD:main")
    assert mlgit(*APPLY, cwd=first / "teams").code == 0
    other = without_job.clone("other")
    assert mlgit("plan", cwd=other / "teams").out.startswith("No changes. ")
    assert mlgit("plan", cwd=other / "teams" / "data").out.startswith("No changes. ")


def test_a_local_live_state_is_pushed_with_its_history_once_a_remote_is_set(without_job, mlgit, data):
    first = without_job.first
    text = (first / "mlgit.yml").read_text()
    commit(first, "alone", {"mlgit.yml": text.replace(", remote: origin", "")})
    assert mlgit(*APPLY, cwd=first).code == 0
    data(first, "more")
    assert mlgit(*APPLY, cwd=first).code == 0
    assert without_job.live() == ""
    alone = git(first, "rev-parse", "refs/mlgit/small/default/live")
    commit(first, "together", {"mlgit.yml": text})
    assert mlgit("plan", cwd=first).out.startswith("No changes. ")
    data(first, "third")
    assert mlgit(*APPLY, cwd=first).code == 0
    git(without_job.origin, "merge-base", "--is-ancestor", alone, without_job.live())
    git(first, "push", "--quiet", "origin", "HEAD:main")
    other = without_job.clone("other")
    assert mlgit("plan", cwd=other).out.startswith("No changes. ")
    assert mlgit("log", cwd=other).out == mlgit("log", cwd=first).out


def test_refs_at_the_remote_never_move_backwards_and_no_lock_remains(applied, opened, mlgit, data):
    assert git(applied.origin, "config", "receive.denyNonFastForwards") == "true"
    assert applied.lock_refs() == []
    assert [*refs.list_refs(opened(applied.origin.parent / "first"), "refs/mlgit-scratch/")] == []
