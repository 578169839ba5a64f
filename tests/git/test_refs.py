"""Updating refs by compare-and-swap, creating commits, and reading their content."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from workspaces import git

from reconciler.git import lazy_tree, refs, trees
from reconciler.git.command import GitError
from reconciler.git.repository import open_repository

pytestmark = pytest.mark.fast

REF = "refs/mlgit/test/default/live"


def test_a_ref_is_updated_only_from_its_expected_commit(small, opened):
    repository = opened(small)
    one, two, three = (refs.commit_files(repository, "", {"a": name.encode()}, name) for name in "123")
    assert refs.resolve_ref(repository, REF) == ""
    assert refs.update_refs(repository, refs.RefUpdate(REF, one, ""))
    assert not refs.update_refs(repository, refs.RefUpdate(REF, two, ""))
    assert not refs.update_refs(repository, refs.RefUpdate(REF, two, three))
    assert refs.resolve_ref(repository, REF) == one
    assert refs.update_refs(repository, refs.RefUpdate(REF, two, one))
    assert refs.resolve_ref(repository, REF) == two


def test_an_update_fails_while_another_process_holds_the_lock_of_the_ref(small, opened):
    repository = opened(small)
    one, two = (refs.commit_files(repository, "", {"a": name.encode()}, name) for name in "12")
    refs.update_refs(repository, refs.RefUpdate(REF, one, ""))
    (small / ".git" / f"{REF}.lock").touch()
    assert not refs.update_refs(repository, refs.RefUpdate(REF, two, one))


def test_a_ref_that_cannot_be_created_is_an_error_and_not_a_lost_race(small, opened):
    repository = opened(small)
    one = refs.commit_files(repository, "", {"a": b"1"}, "one")
    refs.update_refs(repository, refs.RefUpdate("refs/mlgit/test", one, ""))
    with pytest.raises(GitError):
        refs.update_refs(repository, refs.RefUpdate(REF, one, ""))


def test_a_commit_creates_replaces_and_deletes_files_without_a_ref(small, opened):
    repository = opened(small)
    before = git(small, "for-each-ref")
    content = {"x/a.json": b"1\n", "x/b.json": b"", "y": bytes(range(256))}
    one = refs.commit_files(repository, "", content, "one")
    two = refs.commit_files(repository, one, {"x/a.json": b"2", "y": None, "z": b"\n\ndone\n"}, "two\n\nbody é\n")
    assert {path: trees.read_file_at(repository, one, path) for path in content} == content
    assert list(trees.list_files(repository, two)) == ["x/a.json", "x/b.json", "z"]
    assert trees.read_file_at(repository, two, "z") == b"\n\ndone\n"
    assert git(small, "show", "-s", "--format=%P", two) == one
    assert git(small, "for-each-ref") == before


def test_history_is_listed_newest_first_with_complete_messages(small, opened):
    repository = opened(small)
    commit = ""
    for number in range(5):
        child = refs.commit_files(repository, commit, {"a": b"%d" % number}, f"change {number}\n\nbody {number}\n")
        refs.update_refs(repository, refs.RefUpdate(REF, child, commit))
        commit = child
    history = list(refs.ref_history(repository, REF, 3))
    assert [commit.message for commit in history] == [f"change {number}\n\nbody {number}" for number in (4, 3, 2)]
    assert history[0].oid == commit
    assert history[0].author == "Ada <ada@example.org>"


def test_exactly_one_of_many_concurrent_updates_succeeds(small):
    repository = open_repository(small)
    commits = [refs.commit_files(repository, "", {"a": b"%d" % number}, "x") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda commit: refs.update_refs(repository, refs.RefUpdate(REF, commit, "")), commits))
    assert results.count(True) == 1
    assert refs.resolve_ref(repository, REF) == commits[results.index(True)]
    repository.close()


def test_concurrent_commits_are_all_created(small):
    repository = open_repository(small)
    with ThreadPoolExecutor(8) as pool:
        commits = list(pool.map(lambda n: refs.commit_files(repository, "", {"a": b"%d" % n}, "x"), range(24)))
    assert [trees.read_file_at(repository, commit, "a") for commit in commits] == [b"%d" % n for n in range(24)]
    assert "scratch" not in git(small, "for-each-ref")
    repository.close()


def test_many_blobs_with_any_content_are_read_at_once(small, opened):
    repository = opened(small)
    contents = [b"", b"\n", b"a blob 3\n", bytes(range(256)) * 300, b"no newline"]
    oids = []
    for content in contents:
        command = ["git", "hash-object", "-w", "--stdin"]
        oids.append(subprocess.run(command, cwd=small, input=content, check=True, capture_output=True).stdout.decode())
    oids = [oid.strip() for oid in oids]
    assert trees.read_blobs(repository, [*oids, *oids]) == dict(zip(oids, contents, strict=True))
    assert [trees.read_blob(repository, oid) for oid in oids] == contents


def test_a_missing_file_is_none_and_the_next_read_succeeds(small, opened):
    repository = opened(small)
    head = repository.head()
    assert trees.read_file_at(repository, head, "no/such file.txt") is None
    assert trees.read_file_at(repository, head, "data/numbers.csv") == b"n\n1\n2\n3\n"


def test_entries_have_the_modes_and_names_of_all_files(small, opened):
    (small / "a b").mkdir()
    (small / "a b" / 'é\n\t".txt').write_text("x", "utf-8")
    (small / "run.sh").write_text("", "utf-8")
    (small / "run.sh").chmod(0o755)
    (small / "link").symlink_to("run.sh")
    repository = opened(small)
    entries = trees.list_files(repository, repository.write_work_tree())
    assert entries["run.sh"].mode == 0o100755
    assert entries["link"].mode == 0o120000
    assert entries['a b/é\n\t".txt'].mode == 0o100644


def test_a_tree_can_be_opened_at_another_commit_that_exists(small, opened):
    repository = opened(small)
    head = repository.head()
    tree = lazy_tree.load_tree(repository, repository.write_work_tree(), "data/")
    tree_at_head = tree.tree_at_commit(head)
    assert tree_at_head is not None
    assert (tree_at_head.root, tree_at_head.exists("src"), tree_at_head.exists("sr")) == ("data/", True, False)
    assert tree.tree_at_commit("0" * 40) is None
