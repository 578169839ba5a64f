"""log and diff: the history of the live state, and the differences between two of its commits."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit, git


@pytest.fixture
def second_apply(applied, mlgit):
    """Apply a second commit with changed data and a description."""
    edit(applied, "data/numbers.csv", "3\n", "3\n4\n")
    edit(applied, "models/total.yml", "name:", "description: the sum\nname:")
    commit(applied)
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 0, ended.err
    return applied


def log(mlgit, folder, *arguments):
    return json.loads(mlgit("log", *arguments, "--format", "json", cwd=folder).out)


def test_the_log_of_an_address_has_only_its_own_actions(applied, mlgit, golden):
    ended = mlgit("log", "data/numbers", cwd=applied)
    assert (ended.code, ended.err) == (0, "")
    golden("cli/history/log-of-data.txt", ended.out)
    assert [entry["done"] for entry in log(mlgit, applied, "data/numbers")] == [["new-version data/numbers@1"]]
    of_the_job = [line for entry in log(mlgit, applied, "job/sum") for line in entry["done"]]
    assert of_the_job
    assert all("job/sum" in line for line in of_the_job)


def test_a_log_entry_has_author_command_source_and_actions(applied, mlgit):
    head = git(applied, "rev-parse", "HEAD")
    newest, *_, oldest = log(mlgit, applied)
    assert newest["author"] == "Ada <ada@example.org>"
    assert (newest["command"], newest["source"], newest["changed"]) == ("apply", head, False)
    assert "register model/total@1" in newest["done"]
    assert oldest["done"] == ["create workspace/small", "new-version data/numbers@1"]


def test_times_are_printed_in_utc_in_any_time_zone(applied, mlgit, monkeypatch):
    git(applied, "rm", "--quiet", "models/total.yml")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2030-01-01T01:00:00+02:00")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert mlgit("archive", "model/total", "--auto-approve", cwd=applied).code == 1  # HEAD declares it still
    commit(applied)
    assert mlgit("archive", "model/total", "--auto-approve", cwd=applied).code == 0
    assert {entry["when"][-1] for entry in log(mlgit, applied)} == {"Z"}


def test_a_removed_asset_keeps_its_history(applied, mlgit):
    git(applied, "rm", "--quiet", "workspace.yml", "models/total.yml", "jobs/sum.yml", "data/numbers.yml")
    commit(applied)
    assert mlgit(*APPLY, "--allow-mass-delete", cwd=applied).code == 0
    assert log(mlgit, applied, "data/numbers")[0]["done"] == ["archive data/numbers@1"]


def test_the_log_of_an_unknown_address_is_refused_with_a_suggestion(applied, mlgit):
    ended = mlgit("log", "data/numbrs", cwd=applied)
    assert (ended.code, "[address-unknown]" in ended.err) == (1, True)
    assert "data/numbers" in ended.err


@pytest.mark.slow
def test_a_diff_lists_changes_by_address_and_field(second_apply, mlgit, golden):
    ended = mlgit("diff", "HEAD~1", cwd=second_apply)
    assert (ended.code, ended.err) == (0, "")
    golden("cli/history/diff.txt", ended.out)
    golden("cli/history/diff.json", mlgit("diff", "HEAD~1", "main", "--format", "json", cwd=second_apply).out)


@pytest.mark.slow
def test_a_diff_in_reverse_order_shows_the_opposite_changes(second_apply, mlgit):
    diff = json.loads(mlgit("diff", "HEAD", "HEAD~1", "--format", "json", cwd=second_apply).out)
    changed = {entry["address"]: entry for entry in diff["addresses"]}
    assert changed["data/numbers"]["version"] == ["2", "1"]
    assert changed["model/total"]["versions"] == [{"version": "2", "change": "removed"}]
    assert [entry["change"] for entry in changed["job/sum"]["runs"]] == ["removed"]


def test_a_diff_from_the_first_commit_lists_everything_added_since(applied, mlgit):
    first = log(mlgit, applied)[-1]["commit"]
    diff = json.loads(mlgit("diff", first[:12], "--format", "json", cwd=applied).out)
    assert {entry["address"]: entry["change"] for entry in diff["addresses"]} == {
        "environment/plain": "added",
        "job/sum": "added",
        "model/total": "added",
    }
    assert "nothing differs" in mlgit("diff", "~0", cwd=applied).out


@pytest.mark.parametrize("revision", ["~99", "nowhere", "0123456789"])
def test_a_diff_from_an_unknown_revision_is_refused(revision, applied, mlgit):
    ended = mlgit("diff", revision, cwd=applied)
    assert (ended.code, "[revision-unknown]" in ended.err) == (1, True)


@pytest.mark.slow
def test_one_step_back_is_the_state_before_the_last_apply(second_apply, mlgit):
    commits = [
        entry
        for entry in log(mlgit, second_apply, "-n", "99")
        if entry["source"] == git(second_apply, "rev-parse", "HEAD")
    ]
    assert len(commits) > 1
    by_step, by_name = (
        json.loads(mlgit("diff", entry, "--format", "json", cwd=second_apply).out) for entry in ("~1", "HEAD~1")
    )
    assert by_step == by_name
    assert "[revision-unknown]" in mlgit("diff", "~3", cwd=second_apply).err


@pytest.mark.slow
def test_an_archive_is_a_step_of_its_own(second_apply, mlgit):
    assert mlgit("archive", "data/numbers@1", "--auto-approve", cwd=second_apply).code == 0
    diff = json.loads(mlgit("diff", "~1", "--format", "json", cwd=second_apply).out)
    assert [entry["address"] for entry in diff["addresses"]] == ["data/numbers"]
    two_steps = json.loads(mlgit("diff", "~2", "--format", "json", cwd=second_apply).out)
    assert (
        two_steps["before"] == json.loads(mlgit("diff", "HEAD~1", "--format", "json", cwd=second_apply).out)["before"]
    )


@pytest.mark.slow
def test_restore_and_diff_count_steps_in_the_same_way(second_apply, mlgit):
    restored = mlgit("state", "restore", "~1", "--auto-approve", cwd=second_apply)
    assert restored.code == 0, restored.err
    assert "nothing differs" in mlgit("diff", "HEAD~1", cwd=second_apply).out


def test_without_a_live_state_no_step_can_be_compared(small, mlgit):
    ended = mlgit("diff", "~1", cwd=small)
    assert (ended.code, "[revision-unknown]" in ended.err) == (1, True)


def test_a_commit_that_was_never_applied_is_refused_with_its_nearest_applied_ancestor(applied, mlgit):
    commit(applied)
    refused = mlgit("diff", "HEAD", cwd=applied).err
    assert "[revision-unknown]" in refused
    assert f"the nearest ancestor that was applied is {git(applied, 'rev-parse', 'HEAD~1')[:10]}" in refused
    assert mlgit("diff", "HEAD~1", cwd=applied).code == 0
