"""A tree read folder by folder is the tree that Git lists."""

from __future__ import annotations

import pytest
from workspaces import commit, git, write

from reconciler.git import listing, trees
from reconciler.git.listing import Listing

FILES = {"a/b/c.txt": "c\n", "a/b.txt": "b\n", "a-b/d": "d\n", "ab": "ab\n", "é/ü": "u\n"}


@pytest.fixture
def tree(empty, opened) -> Listing:
    commit(empty, "files", FILES)
    (empty / "link").symlink_to("a/b")
    git(empty, "add", "--all")
    repository = opened(empty)
    return Listing(repository, repository.work_tree())


def test_looking_up_and_listing_agree(tree):
    every = trees.entries(tree.repository, tree.tree)
    assert {path: tree[path] for path in every} == every
    assert dict(Listing(tree.repository, tree.tree).items()) == every
    assert [each for each in ("a", "a/b", "x", "a/x", "", "ab/c", "/") if each in tree] == []


@pytest.mark.parametrize("folder", ["", "a", "a/b", "a-b", "ab", "é", "link", "x"])
def test_a_folder_is_what_lies_below_it_read_or_listed(tree, folder):
    prefix = f"{folder}/" if folder else ""
    every = trees.entries(tree.repository, tree.tree)
    expected = {path: entry for path, entry in every.items() if path.startswith(prefix)}
    assert dict(tree.under(folder)) == expected
    assert len(tree) == len(every)
    assert dict(tree.under(folder)) == expected


def test_what_was_read_ahead_is_what_is_read_later(tree):
    loaded = listing.load(tree.repository, tree.tree)
    known = listing.ahead(loaded, ["ab", "a/b.txt"])
    other = known.opened()
    assert [other.file(path) for path in FILES] == [loaded.file(path) for path in FILES]
    assert [other.size(entry.oid) for entry in loaded.entries.values()] == [
        loaded.size(entry.oid) for entry in loaded.entries.values()
    ]


def test_files_that_differ_are_named_with_their_modes(tree, empty):
    before = tree.tree
    (empty / "ab").unlink()
    (empty / "ab").symlink_to("a")
    (empty / "a-b/d").unlink()
    after = tree.repository.work_tree()
    assert trees.modes(tree.repository, before, after) == {"ab": (0o100644, 0o120000), "a-b/d": (0o100644, 0)}


def test_a_tree_that_git_has_not_is_an_error_and_not_an_empty_one(tree):
    with pytest.raises(trees.MissingObjectError):
        trees.modes(tree.repository, "0" * 39 + "1", tree.tree)
    with pytest.raises(trees.MissingObjectError):
        "ab" in Listing(tree.repository, "0" * 39 + "1")  # noqa: B015


def ask_and_interrupt(repository, name):
    with repository.reading() as asked:
        asked.cat_file_all.stdin.write(f"{name}\n".encode())
        asked.cat_file_all.stdin.flush()
        raise KeyboardInterrupt


def test_what_is_read_after_an_interrupted_question_is_what_is_asked_for_then(empty, opened):
    write(empty, {"first.txt": "first\n", "second.txt": "second\n"})
    commit(empty)
    repository = opened(empty)
    assert trees.blob(repository, "HEAD:second.txt") == b"second\n"
    with pytest.raises(KeyboardInterrupt):
        ask_and_interrupt(repository, "HEAD:first.txt")
    assert trees.blob(repository, "HEAD:second.txt") == b"second\n"
