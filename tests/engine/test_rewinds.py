"""An older commit never takes back what a newer one brought, whether it comes later or was waiting all the while."""

from __future__ import annotations

import pytest
from workspaces import APPLY, commit, edit, git

pytestmark = pytest.mark.slow

SUBMIT = ("apply", "--auto-approve")


def test_an_apply_that_waits_ends_when_a_newer_commit_was_applied_meanwhile(waiting, mlgit, mlgit_process, listed):
    older = mlgit_process(*APPLY, cwd=waiting.folder)
    next(line for line in older.stdout if " is running" in line)
    edit(waiting.folder, "data/numbers.csv", "3\n", "3\n4\n")
    commit(waiting.folder)
    assert mlgit(*SUBMIT, cwd=waiting.folder).code == 0
    before = listed(waiting.folder, "list", "data")
    waiting.let_it_end()
    _, said = older.communicate(timeout=30)
    assert older.returncode == 1
    assert "was applied while this apply of" in said
    assert listed(waiting.folder, "list", "data") == before
    assert before[0]["version"] == "2"


def test_an_older_commit_is_refused_unless_going_back_is_meant(bench, mlgit, listed):
    old = git(bench.folder, "rev-parse", "HEAD")
    edit(bench.folder, "data/numbers.csv", "3\n", "3\n4\n")
    commit(bench.folder)
    assert mlgit(*APPLY, cwd=bench.folder).code == 0
    git(bench.folder, "checkout", "--quiet", old)
    refused = mlgit(*APPLY, cwd=bench.folder)
    assert refused.code == 1
    assert "[apply-rewinds]" in refused.err
    assert "--allow-rewind" in refused.err
    assert mlgit("plan", cwd=bench.folder).code == 0
    meant = mlgit(*APPLY, "--allow-rewind", cwd=bench.folder)
    assert meant.code == 0, meant.err
    assert listed(bench.folder, "job", "list")[-1]["status"] == "completed"
    assert mlgit("plan", cwd=bench.folder).out.startswith("No changes. ")


def test_a_shallow_clone_cannot_tell_and_says_so(applied, mlgit, tmp_path):
    edit(applied, "models/total.yml", "name:", "description: the sum\nname:")
    commit(applied)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{applied}", str(clone))
    git(
        clone,
        "fetch",
        "--quiet",
        "--depth",
        "1",
        "origin",
        "refs/mlgit/small/default/live:refs/mlgit/small/default/live",
    )
    assert "this clone cannot tell whether this commit follows" in mlgit("plan", cwd=clone).out
    ended = mlgit(*APPLY, cwd=clone)
    assert "this clone cannot tell whether this commit follows" in ended.out
    assert "[apply-rewinds]" not in ended.err
