"""`plan -o FILE` overwrites an earlier plan, and no file that is something else or that Git tracks."""

from __future__ import annotations

import pytest
from workspaces import commit, git

TRACKED = ["mlgit.yml", "jobs/sum.yml", "src/../mlgit.yml", "*.yml", "link"]
UNTRACKED = {"new.yml": "name: x\n", "notes.json": '{"body": {}}\n', "nested/large.bin": "\0" * 100, "out": " "}


@pytest.mark.parametrize("name", TRACKED)
def test_a_tracked_file_is_not_overwritten(small, mlgit, name):
    (small / "*.yml").write_text("[]", "utf-8")
    (small / "link").symlink_to("mlgit.yml")
    commit(small)
    before = (small / name).read_bytes()
    ended = mlgit("plan", "-o", name, cwd=small)
    assert ended.code == 1
    assert f"error: {name} is not overwritten: Git tracks it [plan-not-written]" in ended.err
    assert (small / name).read_bytes() == before
    assert not git(small, "status", "--porcelain")


@pytest.mark.parametrize("name", UNTRACKED)
def test_a_file_that_is_no_plan_is_not_overwritten(small, mlgit, name):
    (small / "nested").mkdir()
    (small / name).write_text(UNTRACKED[name], "utf-8")
    ended = mlgit("plan", "-o", name, cwd=small)
    assert ended.code == 1
    assert f"error: {name} is not overwritten: it exists and is no plan [plan-not-written]" in ended.err
    assert (small / name).read_text("utf-8") == UNTRACKED[name]


def test_a_plan_an_empty_file_and_a_file_elsewhere_are_written(small, mlgit, tmp_path):
    (small / "empty").touch()
    for name in ("plan.json", "plan.json", "empty", "[x].json", str(tmp_path / "plan.json"), "/dev/null"):
        ended = mlgit("plan", "-o", name, cwd=small)
        assert ended.code == 0, ended.err
    assert (small / "empty").read_bytes().startswith(b"{")
