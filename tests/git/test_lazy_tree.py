"""A tree that is read folder by folder has the same entries as the one that Git lists."""

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


def test_lookup_and_listing_return_the_same_entries(tree):
    entries = trees.list_files(tree.repository, tree.tree)
    assert {path: tree[path] for path in entries} == entries
    assert dict(LazyTreeEntries(tree.repository, tree.tree).items()) == entries
    assert [path for path in ("a", "a/b", "x", "a/x", "", "ab/c", "/") if path in tree] == []


@pytest.mark.parametrize("folder", ["", "a", "a/b", "a-b", "ab", "é", "link", "x"])
def test_the_entries_below_a_folder_are_the_same_before_and_after_listing(tree, folder):
    prefix = f"{folder}/" if folder else ""
    entries = trees.list_files(tree.repository, tree.tree)
    expected = {path: entry for path, entry in entries.items() if path.startswith(prefix)}
    assert dict(tree.entries_below(folder)) == expected
    assert len(tree) == len(entries)
    assert dict(tree.entries_below(folder)) == expected


def test_a_prefetched_tree_has_the_same_content_as_the_tree(tree):
    loaded = lazy_tree.load_tree(tree.repository, tree.tree)
    prefetched = lazy_tree.prefetch_tree(loaded, ["ab", "a/b.txt"])
    reopened = prefetched.open_after_fork()
    assert [reopened.read_file(path) for path in FILES] == [loaded.read_file(path) for path in FILES]
    assert [reopened.blob_size(entry.oid) for entry in loaded.entries.values()] == [
        loaded.blob_size(entry.oid) for entry in loaded.entries.values()
    ]


def test_changed_modes_returns_the_old_and_new_mode_of_changed_files(tree, empty):
    before = tree.tree
    (empty / "ab").unlink()
    (empty / "ab").symlink_to("a")
    (empty / "a-b/d").unlink()
    after = tree.repository.write_work_tree()
    assert trees.changed_modes(tree.repository, before, after) == {"ab": (0o100644, 0o120000), "a-b/d": (0o100644, 0)}


def test_a_missing_tree_is_an_error_and_not_an_empty_tree(tree):
    with pytest.raises(trees.MissingObjectError):
        trees.changed_modes(tree.repository, "0" * 39 + "1", tree.tree)
    with pytest.raises(trees.MissingObjectError):
        "ab" in LazyTreeEntries(tree.repository, "0" * 39 + "1")  # noqa: B015


def test_after_an_interrupted_read_the_next_read_returns_its_own_object(empty, opened, monkeypatch):
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
