"""A command that did nothing of what was asked says so on its output; what it writes itself is in nobody's way."""

from __future__ import annotations

import json

import pytest
from workspaces import commit, edit, git, write

HOSTS = {
    "store": ("{path: .mlgit/store}", "{path: .mlgit/store, host: big}"),
    "type": ("type: local", "type: local, host: big"),
}


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_apply_that_can_do_nothing_on_this_machine_fails_without_asking(form, small, mlgit, monkeypatch):
    for old, new in HOSTS.values():
        edit(small, "mlgit.yml", old, new)
    commit(small)
    monkeypatch.setenv("MLGIT_HOST", "laptop")
    assert mlgit("plan", cwd=small).code == 0
    ended = mlgit("apply", "--select", "data/numbers", "--format", form, cwd=small)
    assert ended.code == 1
    assert "can only be done on big, which has the store" in ended.out
    assert "laptop can do nothing of this plan" in (ended.out if form == "json" else ended.err)
    assert "approval" not in ended.err
    assert git(small, "for-each-ref", "refs/mlgit") == ""
    partly = mlgit("apply", "--auto-approve", "--select", "data/numbers", "--select", "workspace", cwd=small)
    assert (partly.code, "Applied 1 change." in partly.out) == (0, True)
    assert "data/numbers: can only be done on big" in partly.out.partition("Applied")[2]


WRONG = {
    "a file": ("data/numbers.yml", "path: numbers.csv", "path: numbrs.csv"),
    "mlgit.yml": ("mlgit.yml", "store:", "storage:"),
    "a limit": ("mlgit.yml", "store:", "limits: {submit: 0}\nstore:"),
}


@pytest.mark.parametrize("form", ["github", "markdown"])
@pytest.mark.parametrize("name", WRONG)
def test_a_comment_says_that_nothing_was_planned_and_why(name, form, small, mlgit, golden):
    edit(small, *WRONG[name])
    ended = mlgit("plan", "--format", form, cwd=small)
    assert ended.code == 1
    assert "error" in ended.err
    golden(f"cli/errors/comment-{name.replace(' ', '-')}.md", ended.out)


@pytest.mark.parametrize("name", ["plan.json", "plans/a plan!.json", "#plan", "[p]*?.json", "jobs/plan.yml"])
def test_a_plan_saved_in_the_repository_is_no_uncommitted_change(name, small, mlgit):
    (small / "plans").mkdir()
    edit(small, "data/numbers.csv", "3\n", "3\n4\n")
    for _ in range(2):
        assert mlgit("plan", "--select", "data", "--out", name, cwd=small).code == 0
    git(small, "add", "--all")
    git(small, "commit", "--quiet", "-m", "what was planned")
    assert name not in git(small, "ls-files")
    assert git(small, "status", "--porcelain") == ""
    assert "Commit first" not in mlgit("plan", cwd=small).out
    ended = mlgit("apply", name, cwd=small)
    assert (ended.code, ended.err) == (0, "")
    assert mlgit("apply", "--auto-approve", "--select", "workspace", cwd=small).code == 0
    live = {item["address"] for item in json.loads(mlgit("list", "--format", "json", cwd=small).out)}
    assert {"data/numbers", "workspace/small"} <= live


def test_a_plan_saved_elsewhere_or_in_a_subfolder_is_ignored_by_its_own_path_only(small, tmp_path, mlgit):
    exclude = small / ".git/info/exclude"
    before = exclude.read_text("utf-8")
    assert mlgit("plan", "--out", str(tmp_path / "plan.json"), cwd=small).code == 0
    assert exclude.read_text("utf-8") == before
    assert mlgit("plan", "--out", "plan.json", cwd=small / "jobs").code == 0
    write(small, {"plan.json": "{}"})
    assert git(small, "status", "--porcelain") == "?? plan.json"
