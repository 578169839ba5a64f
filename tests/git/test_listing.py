"""A tree read folder by folder is the tree that Git lists."""

from __future__ import annotations

import pytest
from workspaces import commit, git

from reconciler.git import lazy_tree, objects, trees
from reconciler.git.lazy_tree import LazyTreeEntries

FILES = {"a/b/c.txt": "c\n", "a/b.txt": "b\n", "a-b/d": "d\n", "ab": "ab\n", "é/ü": "u\n"}


@pytest.fixture
def tree(empty, opened) -> LazyTreeEntries:
    commit(empty, "files", FILES)
    (empty / "link").symlink_to("a/b")
    git(empty, "add", "--all")
    repository = opened(empty)
    return LazyTreeEntries(repository, repository.write_work_tree())


def test_looking_up_and_listing_agree(tree):
    every = trees.list_files(tree.repository, tree.tree)
    assert {path: tree[path] for path in every} == every
    assert dict(LazyTreeEntries(tree.repository, tree.tree).items()) == every
    assert [each for each in ("a", "a/b", "x", "a/x", "", "ab/c", "/") if each in tree] == []


@pytest.mark.parametrize("folder", ["", "a", "a/b", "a-b", "ab", "é", "link", "x"])
def test_a_folder_is_what_lies_below_it_read_or_listed(tree, folder):
    prefix = f"{folder}/" if folder else ""
    every = trees.list_files(tree.repository, tree.tree)
    expected = {path: entry for path, entry in every.items() if path.startswith(prefix)}
    assert dict(tree.entries_below(folder)) == expected
    assert len(tree) == len(every)
    assert dict(tree.entries_below(folder)) == expected


def test_what_was_read_ahead_is_what_is_read_later(tree):
    loaded = lazy_tree.load_tree(tree.repository, tree.tree)
    known = lazy_tree.prefetch_tree(loaded, ["ab", "a/b.txt"])
    other = known.open_after_fork()
    assert [other.read_file(path) for path in FILES] == [loaded.read_file(path) for path in FILES]
    assert [other.blob_size(entry.oid) for entry in loaded.entries.values()] == [
        loaded.blob_size(entry.oid) for entry in loaded.entries.values()
    ]


def test_files_that_differ_are_named_with_their_modes(tree, empty):
    before = tree.tree
    (empty / "ab").unlink()
    (empty / "ab").symlink_to("a")
    (empty / "a-b/d").unlink()
    after = tree.repository.write_work_tree()
    assert trees.changed_modes(tree.repository, before, after) == {"ab": (0o100644, 0o120000), "a-b/d": (0o100644, 0)}


def test_a_tree_that_git_has_not_is_an_error_and_not_an_empty_one(tree):
    with pytest.raises(trees.MissingObjectError):
        trees.changed_modes(tree.repository, "0" * 39 + "1", tree.tree)
    with pytest.raises(trees.MissingObjectError):
        "ab" in LazyTreeEntries(tree.repository, "0" * 39 + "1")  # noqa: B015


def test_after_an_interrupted_question_the_next_answer_is_to_the_next_question(empty, opened, monkeypatch):
    commit(empty, "files", {"first.txt": "first\n", "second.txt": "second\n"})
    repository = opened(empty)
    assert trees.read_blob(repository, "HEAD:second.txt") == b"second\n"

    def interrupt(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(objects, "_read_answer", interrupt)
        with pytest.raises(KeyboardInterrupt):
            trees.read_blob(repository, "HEAD:first.txt")
    assert trees.read_blob(repository, "HEAD:second.txt") == b"second\n"
