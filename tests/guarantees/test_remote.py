"""Tests of docs/guarantees.md on a live state that is shared through a remote."""

from __future__ import annotations

import pytest
from workspaces import APPLY, commit, edit, git


@pytest.fixture
def published(updated):
    """Return a shared workspace whose remote has the live state and the branch."""
    git(updated.folder, "push", "--quiet", "origin", "HEAD:main")
    return updated


def verbs(commands, verb):
    """Return the Git command lines with a verb, without those that the remote side started."""
    return [command for command in commands if verb in command]


def test_the_name_of_the_remote_is_always_passed_after_two_dashes(published, mlgit, commands):
    """The name of the remote is passed to Git after `--`, so it cannot be read as an option."""
    edit(published.folder, "jobs/sum.yml", "adds up", "adds numbers up")
    commit(published.folder)
    assert mlgit(*APPLY, cwd=published.folder).code == 0
    command_lines = commands()
    assert verbs(command_lines, "fetch") != []
    assert verbs(command_lines, "push") != []
    for command_line in verbs(command_lines, "fetch") + verbs(command_lines, "push"):
        assert command_line[command_line.index("origin") - 1] == "--"


def test_reads_fetch_into_refs_of_their_own(published, mlgit):
    """Commands that read fetch into `refs/mlgit-remote/` and change no other ref."""
    other = published.clone("other")
    before = git(other, "for-each-ref").splitlines()
    assert mlgit("plan", cwd=other).code == 0
    after = git(other, "for-each-ref", "--format=%(refname)").splitlines()
    assert {*before} <= {*git(other, "for-each-ref").splitlines()}
    assert "refs/mlgit-remote/origin/small/default/live" in after
    assert [ref for ref in after if ref.startswith("refs/mlgit/")] == []
    assert not (other / ".git/FETCH_HEAD").exists()


def test_reads_never_fetch_with_a_depth(published, mlgit, commands):
    """No command fetches with `--depth`, which would make the clone shallow."""
    other = published.clone("other")
    for command in ("plan", "status", "log"):
        assert mlgit(command, cwd=other).code == 0
    assert verbs(commands(), "fetch") != []
    options = [argument for command_line in verbs(commands(), "fetch") for argument in command_line]
    assert [
        option for option in options if option.startswith(("--depth", "--shallow", "--deepen", "--unshallow"))
    ] == []


def test_writes_push_by_compare_and_swap(published, mlgit, commands):
    """Every write of the live state is an atomic compare-and-swap push, never a forced one."""
    before = len(published.pushes())
    edit(published.folder, "jobs/sum.yml", "adds up", "adds numbers up")
    commit(published.folder)
    assert mlgit(*APPLY, cwd=published.folder).code == 0
    pushed = verbs(commands(), "push")
    moved = published.pushes()[before:]
    assert len(pushed) == len(moved) > 0
    for command, refs in zip(pushed, moved, strict=True):
        swapped = {ref: old for ref, (old, _) in refs.items() if not ref.startswith("sources/")}
        leases = {f"--force-with-lease=refs/mlgit/small/default/{ref}:{old}" for ref, old in swapped.items()}
        assert {"--atomic", *leases} <= {*command}
        assert not {"--force", "-f"} & {*command}
