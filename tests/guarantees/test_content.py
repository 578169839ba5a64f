"""Tests of docs/guarantees.md on content and pruning: what is registered, and what is removed."""

from __future__ import annotations

import json
from dataclasses import replace

import planning.project
import pytest
from planning.project import InMemoryProject, action_keys, tree_of, without
from workspaces import APPLY, commit, edit, git, write

from reconciler.model import Tree, TreeEntry
from reconciler.planning import content


def unreadable(tree: Tree, *readable: str) -> Tree:
    """Return a tree that fails if other blobs than the given ones are read."""
    allowed = {tree.entries[path].oid for path in readable}

    def read(oid: str) -> bytes:
        assert oid in allowed, "a file was read"
        return tree.read_blob(oid)

    return replace(tree, read_blob=read)


def test_the_digest_of_a_code_folder_is_computed_without_reading_files():
    """The digest of a code folder in Git is computed from tree entries, without reading its files."""
    tree = tree_of({"src/a.py": "a", "src/b/c.py": "c", "src/notes.txt": "n", "src/.amlignore": "*.txt\n"})
    plain = tree_of({"src/a.py": "a", "src/b/c.py": "c"})
    assert content.tracked_content(unreadable(plain), "src") == content.tracked_content(plain, "src")
    assert content.tracked_content(unreadable(tree, "src/.amlignore"), "src") == content.tracked_content(tree, "src")
    made_up = replace(plain, entries={**plain.entries, "src/a.py": TreeEntry(0o100644, "0" * 40)})
    assert content.tracked_content(unreadable(made_up), "src").digest != content.tracked_content(plain, "src").digest


def test_tracked_content_is_staged_from_git_blobs_and_never_from_the_work_tree(small, mlgit):
    """Files that are in Git are registered from Git objects, never from the work tree."""
    assert mlgit("plan", "--ref", "HEAD", "--select", "data", "-o", "../plan.json", cwd=small).code == 0
    edit(small, "data/numbers.csv", "3\n", "3\n4\n")
    result = mlgit("apply", "../plan.json", cwd=small)
    assert result.code == 0, result.err
    stored = [path.read_text() for path in (small / ".mlgit/store/files").rglob("*") if path.is_file()]
    assert "n\n1\n2\n3\n" in stored
    assert not any("4" in text for text in stored)


def test_plan_in_a_shallow_clone_omits_prunes_and_says_so():
    """A plan in a shallow clone removes nothing whose ancestry is unknown, and says so."""
    project = InMemoryProject()
    project.converge(planning.project.small())
    plan = project.plan(without("models/total.yml"), ancestry=lambda _: None)
    assert action_keys(plan) == []
    (note,) = plan.notes
    assert note.startswith("model/total is not in Git; a shallow clone cannot tell if it was")
    assert note.endswith("not removed (`git fetch --unshallow`, in CI fetch-depth: 0)")


@pytest.mark.slow
def test_every_record_says_at_which_commit_it_was_declared(applied, mlgit):
    """A record names the commit that declared it."""
    first = git(applied, "rev-parse", "HEAD")
    write(applied, {"data/more.csv": "1\n"})
    edit(applied, "models/total.yml", "name:", "description: d\nname:")
    second = commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    commits = {
        load["address"]: load["declared_at"] for load in json.loads(mlgit("list", "--format", "json", cwd=applied).out)
    }
    assert commits == {**dict.fromkeys(commits, first), "model/total": second}
