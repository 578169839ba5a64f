"""The design's section 4 on content and on what leaves: what is fingerprinted is staged; prune knows the branch."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from design.held import missing
from planning.world import World, done, tree_of, without
from planning.world import small as files_of_small
from workspaces import APPLY, commit, edit, git, write

from reconciler.model import Tree, TreeEntry
from reconciler.planning import content

ELSEWHERE = {
    "A clean code folder's digest is its tree entries": (
        "tests/planning/test_fingerprint.py::test_a_code_folder_is_its_files_modes_and_names"
    ),
    "after `.amlignore`": (
        "tests/planning/test_fingerprint.py::test_ignored_files_of_a_code_folder_are_not_part_of_its_content"
    ),
    "(else `.gitignore`)": "tests/planning/test_fingerprint.py::test_amlignore_rules_where_there_is_also_a_gitignore",
    "not where it holds gitlinks": (
        "tests/format/test_path_content.py::test_a_submodule_is_reported_at_the_path_that_contains_it"
    ),
    "... symlinks ...: those are resolved": (
        "tests/format/test_path_content.py::test_a_link_to_a_folder_resolves_to_the_files_of_the_folder"
    ),
    "... LFS pointers": "tests/format/test_path_content.py::test_a_git_lfs_pointer_is_reported",
    "... or additional includes: those are resolved": (
        "tests/planning/test_fingerprint.py::test_additional_includes_count_by_their_content"
    ),
    "and absent bytes are an error": (
        "tests/format/test_path_content.py::test_a_broken_link_is_reported_at_the_path_that_uses_it"
    ),
    "Anything else is hashed once (md5 for the store's key and sha256 for the record, one pass)": (
        "tests/storage/test_store.py::test_a_large_file_is_digested_piece_by_piece"
    ),
    "remembered by inode, size, mtime (not when younger than 2 s): of what validate reads": (
        "tests/source/test_validation.py::test_what_was_read_while_it_was_young_is_trusted_once_it_was_read_again"
    ),
    "Records keep `declared_at` (commit).": (
        "tests/planning/test_prune_and_guard.py::test_ancestry_is_checked_for_the_declaring_commit"
    ),
    "An asset is archived or deleted only if `declared_at` is an ancestor": (
        "tests/planning/test_prune_and_guard.py::test_an_asset_of_this_branch_is_archived_with_its_file"
    ),
    "a tree that never saw it cannot drop it": (
        "tests/planning/test_prune_and_guard.py::test_an_asset_of_another_branch_is_not_removed"
    ),
    "(in Git itself)": "tests/cli/test_plan.py::test_an_asset_from_another_branch_is_kept",
    "Apply refuses if the last applied commit is not an ancestor (`--allow-rewind`).": (
        "tests/engine/test_fast_forward.py::test_an_older_commit_is_refused_without_allow_rewind"
    ),
    "In a shallow clone ancestry is *unknown*, never false": (
        "tests/git/test_repository.py::test_ancestry_is_unknown_in_a_shallow_clone_unless_it_can_be_seen"
    ),
    "`moved: [{from, to}]` in `mlgit.yml` renames": (
        "tests/planning/test_moved.py::test_a_renamed_asset_keeps_its_version_and_nothing_runs"
    ),
    "plan suggests it when an equal fingerprint leaves and arrives": (
        "tests/planning/test_moved.py::test_identical_content_under_another_name_suggests_a_rename"
    ),
}
NOT_YET = (
    "A DVC-tracked path is what its `.dvc` file says",
    "Anything else (content that is not in Git) ... remembered by inode, size, mtime",
    "An upload whose digest is not the planned one fails that action.",
    'A pull request\'s plan is plan(merge tree, live) with the actions of plan(base tree, live) as "already pending".',
)


def unreadable(tree: Tree, *readable: str) -> Tree:
    """Return a tree of which only a few blobs may be read."""
    allowed = {tree.entries[path].oid for path in readable}

    def read(oid: str) -> bytes:
        assert oid in allowed, "a file was read"
        return tree.read_blob(oid)

    return replace(tree, read_blob=read)


def test_what_is_held_elsewhere_is_there():
    assert missing(ELSEWHERE) == []


def test_the_digest_of_a_code_folder_takes_no_reading_of_a_file():
    """A clean code folder's digest is its tree entries ... without reading a file."""
    tree = tree_of({"src/a.py": "a", "src/b/c.py": "c", "src/notes.txt": "n", "src/.amlignore": "*.txt\n"})
    plain = tree_of({"src/a.py": "a", "src/b/c.py": "c"})
    assert content.tracked_content(unreadable(plain), "src") == content.tracked_content(plain, "src")
    assert content.tracked_content(unreadable(tree, "src/.amlignore"), "src") == content.tracked_content(tree, "src")
    made_up = replace(plain, entries={**plain.entries, "src/a.py": TreeEntry(0o100644, "0" * 40)})
    assert content.tracked_content(unreadable(made_up), "src").digest != content.tracked_content(plain, "src").digest


def test_tracked_content_is_staged_from_git_blobs_and_never_from_the_work_tree(small, mlgit):
    """Tracked content is staged from Git *blobs*, never from the work tree."""
    assert mlgit("plan", "--ref", "HEAD", "--select", "data", "-o", "../plan.json", cwd=small).code == 0
    edit(small, "data/numbers.csv", "3\n", "3\n4\n")
    ended = mlgit("apply", "../plan.json", cwd=small)
    assert ended.code == 0, ended.err
    stored = [path.read_text() for path in (small / ".mlgit/store/files").rglob("*") if path.is_file()]
    assert "n\n1\n2\n3\n" in stored
    assert not any("4" in each for each in stored)


def test_plan_in_a_shallow_clone_omits_prunes_and_says_so():
    """In a shallow clone ... plan omits prunes and says so (`fetch-depth: 0`)."""
    world = World()
    world.settle(files_of_small())
    plan = world.plan(without("models/total.yml"), ancestry=lambda _: None)
    assert done(plan) == []
    (note,) = plan.notes
    assert note.startswith("model/total is not in Git; a shallow clone cannot tell if it was")
    assert note.endswith("not removed (`git fetch --unshallow`, in CI fetch-depth: 0)")


@pytest.mark.slow
def test_every_record_says_at_which_commit_it_was_declared(applied, mlgit):
    """Records keep `declared_at` (commit): that of the apply which wrote them, whatever was applied since."""
    first = git(applied, "rev-parse", "HEAD")
    write(applied, {"data/more.csv": "1\n"})
    edit(applied, "models/total.yml", "name:", "description: d\nname:")
    second = commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    found = {
        load["address"]: load["declared_at"] for load in json.loads(mlgit("list", "--format", "json", cwd=applied).out)
    }
    assert found == {**dict.fromkeys(found, first), "model/total": second}
