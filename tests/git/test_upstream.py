"""Tracked refs: a branch of a remote, which is fetched, or a revision of this clone."""

from __future__ import annotations

import pytest
from workspaces import commit, git

from reconciler.diagnostics import UserError
from reconciler.git.upstream import TrackedRef, fetch_tracked_commit, find_tracked_ref

pytestmark = pytest.mark.fast


@pytest.fixture
def clone(tmp_path, opened):
    author = tmp_path / "author"
    author.mkdir()
    git(author, "init", "--quiet")
    commit(author, files={"a.txt": "a"})
    git(tmp_path, "clone", "--quiet", "author", "clone")
    return opened(tmp_path / "clone")


def test_the_upstream_of_the_current_branch_is_tracked(clone):
    assert find_tracked_ref(clone) == TrackedRef("refs/remotes/origin/main", "origin", "refs/heads/main")
    assert str(find_tracked_ref(clone)) == "origin/main"


def test_head_is_tracked_without_an_upstream(clone):
    git(clone.top, "branch", "--unset-upstream")
    assert find_tracked_ref(clone) == TrackedRef("HEAD")
    git(clone.top, "checkout", "--quiet", "--detach")
    assert find_tracked_ref(clone) == TrackedRef("HEAD")


def test_a_local_upstream_has_no_remote(clone):
    git(clone.top, "checkout", "--quiet", "-b", "side", "--track", "main")
    assert find_tracked_ref(clone) == TrackedRef("refs/heads/main")


@pytest.mark.parametrize("revision", ["origin/side", "refs/remotes/origin/side"])
def test_a_remote_branch_that_was_never_fetched_can_be_tracked(revision, clone, tmp_path):
    git(tmp_path / "author", "branch", "side")
    commit_id = fetch_tracked_commit(clone, find_tracked_ref(clone, revision))
    assert commit_id == git(tmp_path / "author", "rev-parse", "side")


def test_a_revision_of_this_clone_is_tracked_unchanged(clone):
    assert find_tracked_ref(clone, "main~0") == TrackedRef("main~0")
    assert fetch_tracked_commit(clone, find_tracked_ref(clone, "main~0")) == clone.head()


def test_fetching_changes_only_the_remote_tracking_ref(clone, tmp_path):
    before = git(clone.top, "rev-parse", "HEAD")
    new = commit(tmp_path / "author", files={"b.txt": "b"})
    assert fetch_tracked_commit(clone, find_tracked_ref(clone)) == new
    assert git(clone.top, "rev-parse", "HEAD") == before
    assert git(clone.top, "status", "--porcelain") == ""
    assert not (clone.top / "b.txt").exists()
    assert not (clone.top / ".git/FETCH_HEAD").exists()


def test_an_unknown_revision_is_an_error(clone):
    with pytest.raises(UserError, match="nowhere"):
        fetch_tracked_commit(clone, find_tracked_ref(clone, "nowhere"))
    with pytest.raises(UserError, match="origin"):
        fetch_tracked_commit(clone, find_tracked_ref(clone, "origin/nowhere"))
