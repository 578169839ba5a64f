"""~N: the same moment for log, diff, rollback and state restore, and the number that log shows."""

from __future__ import annotations

import json

import pytest
from workspaces import commit, edit, git

pytestmark = pytest.mark.slow

BACK = ("rollback", "--auto-approve", "--wait")


def entries(mlgit, folder, *arguments):
    return json.loads(mlgit("log", "-n", "999", *arguments, "--format", "json", cwd=folder).out)


@pytest.fixture
def stepped(applied, mlgit):
    """Apply a second commit in two applies, the first of which does not wait, and archive a version by hand."""
    edit(applied, "data/numbers.csv", "3\n", "3\n4\n")
    commit(applied)
    assert mlgit("apply", "--auto-approve", cwd=applied).code == 0  # records nothing of its run
    assert mlgit("job", "wait", "sum", cwd=applied).code == 0
    assert mlgit("apply", cwd=applied).code == 0
    assert mlgit("archive", "data/numbers@1", "--auto-approve", cwd=applied).code == 0
    return applied


def test_the_log_numbers_the_moments_and_the_commits_of_one_apply_have_one_number(stepped, mlgit):
    log = entries(mlgit, stepped)
    steps = [entry["revision"] for entry in log]
    assert list(dict.fromkeys(steps)) == ["~0", "~1", "~2", "~3"]
    assert steps == sorted(steps)
    assert [entry["command"] for entry in log if entry["revision"] == "~0"] == ["archive"]
    assert mlgit("log", "-n", "1", cwd=stepped).out.startswith("~0  ")


def test_the_log_of_an_asset_has_the_numbers_of_the_whole_log(stepped, mlgit):
    numbers = {entry["commit"]: entry["revision"] for entry in entries(mlgit, stepped)}
    of_model = entries(mlgit, stepped, "model/total")
    assert [entry["revision"] for entry in of_model] == ["~1", "~3"]
    assert all(numbers[entry["commit"]] == entry["revision"] for entry in of_model)


def test_a_number_is_the_same_moment_for_every_command(stepped, mlgit):
    log = entries(mlgit, stepped)
    for step in ("~0", "~1", "~2", "~3"):
        newest = next(entry["commit"] for entry in log if entry["revision"] == step)
        assert json.loads(mlgit("diff", step, "--format", "json", cwd=stepped).out)["before"]["commit"] == newest
        by_number, by_commit = (mlgit(*BACK[:1], name, cwd=stepped) for name in (step, newest))
        assert (by_number.code, by_number.out) == (by_commit.code, by_commit.out)
    assert mlgit("state", "restore", "~2", "--auto-approve", cwd=stepped).code == 0
    assert "nothing differs" in mlgit("diff", "~3", cwd=stepped).out  # the restore is one more step


def test_a_rollback_to_a_moment_of_the_same_commit_names_the_last_one_of_another(stepped, mlgit, golden):
    for step in ("~1", "~2"):
        ended = mlgit(*BACK, step, cwd=stepped)
        assert (ended.code, ended.out) == (1, "")
        assert "the last revision with another source commit is ~3" in ended.err
    golden("cli/history/rollback-nowhere.txt", ended.err)
    assert mlgit(*BACK, "~3", cwd=stepped).code == 0


def test_before_the_first_apply_nothing_was_live(applied, mlgit, golden):
    ended = mlgit("diff", "~1", cwd=applied)
    assert (ended.code, ended.err) == (0, "")
    golden("cli/history/diff-first.txt", ended.out)
    diff = json.loads(mlgit("diff", "~1", "--format", "json", cwd=applied).out)
    listed = json.loads(mlgit("list", "--format", "json", cwd=applied).out)
    assert {entry["address"]: entry["change"] for entry in diff["addresses"]} == {
        asset["address"]: "added" for asset in listed
    }
    back = json.loads(mlgit("diff", "~0", "~1", "--format", "json", cwd=applied).out)
    assert {entry["change"] for entry in back["addresses"]} == {"removed"}
    assert "nothing differs" in mlgit("diff", "~1", "~1", cwd=applied).out


@pytest.mark.parametrize("command", [BACK, ("state", "restore", "--auto-approve")])
def test_nothing_goes_back_to_before_the_first_apply(applied, mlgit, command):
    before = git(applied, "for-each-ref", "refs/mlgit")
    ended = mlgit(*command, "~1", cwd=applied)
    assert (ended.code, ended.out, "[revision-unknown]" in ended.err) == (1, "", True)
    assert "before the first apply" in ended.err
    assert git(applied, "for-each-ref", "refs/mlgit") == before


def test_a_number_beyond_the_first_apply_names_the_last_one(applied, mlgit, golden):
    ended = mlgit("diff", "~7", cwd=applied)
    assert (ended.code, ended.out) == (1, "")
    golden("cli/history/beyond-first.txt", ended.err)


def test_steps_are_counted_through_a_long_history(applied, mlgit):
    ref = "refs/mlgit/small/default/live"
    for number in range(150):
        tree, tip = git(applied, "rev-parse", f"{ref}^{{tree}}"), git(applied, "rev-parse", ref)
        git(applied, "update-ref", ref, git(applied, "commit-tree", tree, "-p", tip, "-m", f"archive: {number}"))
    assert entries(mlgit, applied, "model/total")[0]["revision"] == "~150"
    assert "nothing differs" in mlgit("diff", "~150", cwd=applied).out
    assert "+ model/total" in mlgit("diff", "~151", cwd=applied).out
    assert mlgit("diff", "~152", cwd=applied).code == 1
