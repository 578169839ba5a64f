"""mlgit ci check and ci apply: what a report calls pending on the base counts only if it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workspaces import commit, edit, git

_LIVE = "refs/mlgit/small/default/live"


@pytest.fixture
def change(applied: Path) -> Path:
    """Return the applied workspace on main, with an update that is pending there."""
    edit(applied, "data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: pending")
    commit(applied, "pending")
    git(applied, "switch", "--quiet", "-c", "change")
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 2\ndescription: new")
    commit(applied, "change")
    return applied


def make_report(mlgit, folder: Path, tmp_path: Path, base: str = "main") -> Path:
    assert mlgit("ci", "plan", "--base", base, "--out", str(tmp_path / "report"), cwd=folder).code == 0
    return tmp_path / "report/report.json"


def merge(folder: Path) -> None:
    git(folder, "switch", "--quiet", "main")
    git(folder, "merge", "--quiet", "--no-ff", "--no-edit", "change")


def claim_pending(path: Path, base: str | None = None) -> None:
    """Let a report say that all that it has is pending on its base."""
    document = json.loads(path.read_text("utf-8"))
    document["pending"] = [action["key"] for action in document["plan"]["body"]["actions"]]
    document["base"] = base or document["base"]
    path.write_text(json.dumps(document), "utf-8")


def test_what_is_pending_on_the_base_is_applied_with_the_change(change, mlgit, tmp_path):
    report = make_report(mlgit, change, tmp_path)
    assert json.loads(report.read_text("utf-8"))["pending"] == ["update data/numbers"]
    merge(change)
    ended = mlgit("ci", "apply", str(report), cwd=change)
    assert (ended.code, "Applied 2 changes" in ended.out) == (0, True), ended.err


@pytest.mark.parametrize("base", ["main", "change", "older"])
def test_a_decision_of_the_change_that_a_report_calls_pending_was_not_reviewed(change, mlgit, tmp_path, base):
    older = git(change, "rev-parse", "main^")
    report = make_report(mlgit, change, tmp_path)
    claim_pending(report, older if base == "older" else git(change, "rev-parse", base))
    merge(change)
    before = git(change, "rev-parse", _LIVE)
    for command in (("ci", "check", "--base", "main^1"), ("ci", "apply")):
        ended = mlgit(*command, str(report), cwd=change)
        assert (ended.code, git(change, "rev-parse", _LIVE)) == (1, before), ended.out
        assert "job/sum is not as reviewed; nothing of it was reviewed" in ended.err


def test_what_an_older_commit_would_take_back_is_not_pending(change, mlgit, tmp_path):
    older = git(change, "rev-parse", "main^")
    git(change, "switch", "--quiet", "main")
    assert mlgit("apply", "--auto-approve", cwd=change).code == 0
    git(change, "switch", "--quiet", "-C", "change")
    edit(change, "data/numbers.yml", "\ndescription: pending", "")
    commit(change, "as it was")
    report = make_report(mlgit, change, tmp_path)
    claim_pending(report, older)
    merge(change)
    ended = mlgit("ci", "apply", str(report), cwd=change)
    assert ended.code == 1
    assert "data/numbers is not as reviewed; nothing of it was reviewed" in ended.err
