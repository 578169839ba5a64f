"""Rewinds: an older commit never undoes a newer one, neither a later apply of it nor one that was waiting."""

from __future__ import annotations

import pytest
from workspaces import APPLY, commit, edit, git

pytestmark = pytest.mark.slow

SUBMIT = ("apply", "--auto-approve")


def test_a_waiting_apply_stops_when_a_newer_commit_is_applied(waiting, mlgit, mlgit_process, run_json):
    older = mlgit_process(*APPLY, cwd=waiting.folder)
    next(line for line in older.stdout if " is running" in line)
    edit(waiting.folder, "data/numbers.csv", "3\n", "3\n4\n")
    commit(waiting.folder)
    assert mlgit(*SUBMIT, cwd=waiting.folder).code == 0
    before = run_json(waiting.folder, "list", "data")
    waiting.let_it_end()
    _, err = older.communicate(timeout=120)
    assert older.returncode == 1
    assert "was applied while this apply of" in err
    assert run_json(waiting.folder, "list", "data") == before
    assert before[0]["version"] == "2"


def test_an_older_commit_is_refused_without_allow_rewind(workspace, mlgit, run_json):
    old = git(workspace.folder, "rev-parse", "HEAD")
    edit(workspace.folder, "data/numbers.csv", "3\n", "3\n4\n")
    commit(workspace.folder)
    assert mlgit(*APPLY, cwd=workspace.folder).code == 0
    git(workspace.folder, "checkout", "--quiet", old)
    refused = mlgit(*APPLY, cwd=workspace.folder)
    assert refused.code == 1
    assert "[apply-rewinds]" in refused.err
    assert "--allow-rewind" in refused.err
    assert mlgit("plan", cwd=workspace.folder).code == 0
    meant = mlgit(*APPLY, "--allow-rewind", cwd=workspace.folder)
    assert meant.code == 0, meant.err
    assert run_json(workspace.folder, "job", "list")[-1]["status"] == "completed"
    assert mlgit("plan", cwd=workspace.folder).out.startswith("No changes. ")


def test_a_shallow_clone_notes_that_the_order_of_commits_is_unknown(applied, mlgit, tmp_path):
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
    result = mlgit(*APPLY, cwd=clone)
    assert "this clone cannot tell whether this commit follows" in result.out
    assert "[apply-rewinds]" not in result.err
