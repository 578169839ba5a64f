"""Reading the work tree stores nothing and runs no hook, whatever the configuration of the clone is."""

from __future__ import annotations

import os

import pytest
from workspaces import git, write

from reconciler.diagnostics import UserError
from reconciler.git import lazy_tree, refs, trees
from reconciler.state.process import user_name


def objects(folder):
    return sorted(path.name for path in (folder / ".git/objects").rglob("*") if path.is_file())


def test_no_hook_of_the_repository_runs(small, opened, tmp_path):
    ran = tmp_path / "ran"
    for name in ("post-index-change", "reference-transaction"):
        write(small, {f".githooks/{name}": f"#!/bin/sh\ntouch '{ran}'\n"})
        (small / ".githooks" / name).chmod(0o755)
    git(small, "config", "core.hooksPath", ".githooks")
    git(small, "add", ".githooks")
    assert ran.exists()  # the hooks work
    ran.unlink()
    repository = opened(small)
    tree = repository.write_work_tree()
    trees.read_blobs(repository, [entry.oid for entry in trees.list_files(repository, tree).values()])
    commit = refs.commit_files(repository, "", {"a": b"1"}, "one")
    assert refs.update_refs(repository, refs.RefUpdate("refs/mlgit/test", commit, ""))
    assert not ran.exists()


def test_uncommitted_files_are_read_without_storing_their_objects(small, opened):
    write(small, {"new.txt": "new\n", "a:b.txt": "colon\n"})
    before = objects(small)
    repository = opened(small)
    head = lazy_tree.load_tree(repository, repository.tree_of(repository.head()))
    assert head.read_file("data/numbers.csv") == b"n\n1\n2\n3\n"  # a process that reads objects is open by now
    tree = lazy_tree.load_tree(repository, repository.write_work_tree())
    assert tree.read_file("new.txt") == b"new\n"
    assert trees.read_blobs(repository, [tree.entries["a:b.txt"].oid]) == {tree.entries["a:b.txt"].oid: b"colon\n"}
    assert objects(small) == before


def test_the_work_tree_can_be_stored_after_it_was_read(small, opened):
    write(small, {"new.txt": "new\n"})
    repository = opened(small)
    tree = repository.write_work_tree()
    assert repository.write_work_tree(keep=True) == tree
    assert git(small, "show", f"{tree}:new.txt") == "new"


@pytest.mark.parametrize("ignored", ["/.mlgit/\n", ".mlgit/store/*\n", "\n"])
def test_the_store_is_excluded_whether_git_ignores_it_or_not(small, opened, ignored):
    write(small, {".gitignore": ignored, ".mlgit/store/x": "bytes\n", "new.txt": "new\n"})
    repository = opened(small)
    names = trees.list_files(repository, repository.write_work_tree(".mlgit/store")).keys()
    assert "new.txt" in names
    assert not [name for name in names if name.startswith(".mlgit/")]


def test_a_nested_repository_without_commits_is_reported_with_a_hint(small, opened):
    (small / "inner").mkdir()
    git(small / "inner", "init", "--quiet")
    with pytest.raises(UserError) as raised:
        opened(small).write_work_tree()
    (problem,) = raised.value.diagnostics
    assert problem.code == "work-tree-unreadable"
    assert "inner" in problem.message
    assert "make a commit in it" in problem.hint


def test_a_missing_object_is_reported(small, opened):
    repository = opened(small)
    for read in (lambda oid: trees.read_blobs(repository, [oid]), lambda oid: trees.read_blob(repository, oid)):
        with pytest.raises(trees.MissingObjectError) as raised:
            read("1" * 40)
        assert raised.value.oid == "1" * 40


def test_the_user_name_is_known_without_environment_variables(monkeypatch):
    for name in ("USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    assert user_name()
    assert user_name() != str(os.getuid())


def test_the_default_of_several_remotes_is_origin(small, opened):
    repository = opened(small)
    assert repository.default_remote() == ""
    git(small, "remote", "add", "backup", "nowhere")
    assert repository.default_remote() == "backup"
    git(small, "remote", "add", "origin", "nowhere")
    assert repository.default_remote() == "origin"
