"""log and diff: what was done to the live state, and what differs between two of its moments."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit, git


@pytest.fixture
def edited(applied, mlgit):
    """Apply a second commit: other data, and a description."""
    edit(applied, "data/numbers.csv", "3\n", "3\n4\n")
    edit(applied, "models/total.yml", "name:", "description: the sum\nname:")
    commit(applied)
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 0, ended.err
    return applied


def log(mlgit, folder, *arguments):
    return json.loads(mlgit("log", *arguments, "--format", "json", cwd=folder).out)


def test_the_log_of_an_address_has_only_what_touched_it(applied, mlgit, golden):
    ended = mlgit("log", "data/numbers", cwd=applied)
    assert (ended.code, ended.err) == (0, "")
    golden("cli/history/log-of-data.txt", ended.out)
    assert [entry["done"] for entry in log(mlgit, applied, "data/numbers")] == [["new-version data/numbers@1"]]
    of_the_job = [line for entry in log(mlgit, applied, "job/sum") for line in entry["done"]]
    assert of_the_job
    assert all("job/sum" in line for line in of_the_job)


def test_the_log_says_who_from_which_source_and_what(applied, mlgit):
    head = git(applied, "rev-parse", "HEAD")
    newest, *_, oldest = log(mlgit, applied)
    assert newest["author"] == "Ada <ada@example.org>"
    assert (newest["command"], newest["source"], newest["changed"]) == ("apply", head, False)
    assert "register model/total@1" in newest["done"]
    assert oldest["done"] == ["create workspace/small", "new-version data/numbers@1"]


def test_times_are_said_in_utc_wherever_the_commit_was_made(applied, mlgit, monkeypatch):
    git(applied, "rm", "--quiet", "models/total.yml")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2030-01-01T01:00:00+02:00")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert mlgit("archive", "model/total", "--auto-approve", cwd=applied).code == 1  # HEAD declares it still
    commit(applied)
    assert mlgit("archive", "model/total", "--auto-approve", cwd=applied).code == 0
    assert {entry["when"][-1] for entry in log(mlgit, applied)} == {"Z"}


def test_what_has_left_the_live_state_has_its_history_still(applied, mlgit):
    git(applied, "rm", "--quiet", "workspace.yml", "models/total.yml", "jobs/sum.yml", "data/numbers.yml")
    commit(applied)
    assert mlgit(*APPLY, "--allow-mass-delete", cwd=applied).code == 0
    assert log(mlgit, applied, "data/numbers")[0]["done"] == ["archive data/numbers@1"]


def test_an_address_that_never_was_is_refused(applied, mlgit):
    ended = mlgit("log", "data/numbrs", cwd=applied)
    assert (ended.code, "[address-unknown]" in ended.err) == (1, True)
    assert "data/numbers" in ended.err


@pytest.mark.slow
def test_a_difference_is_told_by_address_and_field(edited, mlgit, golden):
    ended = mlgit("diff", "HEAD~1", cwd=edited)
    assert (ended.code, ended.err) == (0, "")
    golden("cli/history/diff.txt", ended.out)
    golden("cli/history/diff.json", mlgit("diff", "HEAD~1", "main", "--format", "json", cwd=edited).out)


@pytest.mark.slow
def test_a_difference_backwards_takes_back_what_forwards_brings(edited, mlgit):
    diff = json.loads(mlgit("diff", "HEAD", "HEAD~1", "--format", "json", cwd=edited).out)
    changed = {entry["address"]: entry for entry in diff["addresses"]}
    assert changed["data/numbers"]["version"] == ["2", "1"]
    assert changed["model/total"]["versions"] == [{"version": "2", "change": "removed"}]
    assert [entry["change"] for entry in changed["job/sum"]["runs"]] == ["removed"]


def test_the_first_moment_differs_from_now_by_what_came_since(applied, mlgit):
    first = log(mlgit, applied)[-1]["commit"]
    diff = json.loads(mlgit("diff", first[:12], "--format", "json", cwd=applied).out)
    assert {entry["address"]: entry["change"] for entry in diff["addresses"]} == {
        "environment/plain": "added",
        "job/sum": "added",
        "model/total": "added",
    }
    assert "nothing differs" in mlgit("diff", "~0", cwd=applied).out


@pytest.mark.parametrize("revision", ["~99", "nowhere", "0123456789"])
def test_what_names_no_moment_is_refused(revision, applied, mlgit):
    ended = mlgit("diff", revision, cwd=applied)
    assert (ended.code, "[moment-unknown]" in ended.err) == (1, True)


@pytest.mark.slow
def test_one_step_back_is_before_the_last_apply_however_many_commits_it_made(edited, mlgit):
    made = [entry for entry in log(mlgit, edited, "-n", "99") if entry["source"] == git(edited, "rev-parse", "HEAD")]
    assert len(made) > 1
    by_step, by_name = (
        json.loads(mlgit("diff", entry, "--format", "json", cwd=edited).out) for entry in ("~1", "HEAD~1")
    )
    assert by_step == by_name
    assert "[moment-unknown]" in mlgit("diff", "~3", cwd=edited).err


@pytest.mark.slow
def test_what_was_done_by_hand_is_a_step_of_its_own(edited, mlgit):
    assert mlgit("archive", "data/numbers@1", "--auto-approve", cwd=edited).code == 0
    diff = json.loads(mlgit("diff", "~1", "--format", "json", cwd=edited).out)
    assert [entry["address"] for entry in diff["addresses"]] == ["data/numbers"]
    back = json.loads(mlgit("diff", "~2", "--format", "json", cwd=edited).out)
    assert back["before"] == json.loads(mlgit("diff", "HEAD~1", "--format", "json", cwd=edited).out)["before"]


@pytest.mark.slow
def test_the_records_go_back_by_steps_as_a_difference_counts_them(edited, mlgit):
    restored = mlgit("state", "restore", "~1", "--auto-approve", cwd=edited)
    assert restored.code == 0, restored.err
    assert "nothing differs" in mlgit("diff", "HEAD~1", cwd=edited).out


def test_before_anything_is_live_there_is_no_moment(small, mlgit):
    ended = mlgit("diff", "~1", cwd=small)
    assert (ended.code, "[moment-unknown]" in ended.err) == (1, True)


def test_a_commit_that_was_never_applied_is_no_moment(applied, mlgit):
    commit(applied)
    refused = mlgit("diff", "HEAD", cwd=applied).err
    assert "[moment-unknown]" in refused
    assert f"the nearest ancestor that was applied is {git(applied, 'rev-parse', 'HEAD~1')[:10]}" in refused
    assert mlgit("diff", "HEAD~1", cwd=applied).code == 0
