"""The applies of merges in CI: two at once, one that runs again later, one whose branch was pushed anew."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sharing.conftest import Team
from workspaces import commit, edit, git

pytestmark = [pytest.mark.slow, pytest.mark.services]


@pytest.fixture
def merges(without_job: Team, mlgit, data) -> Callable[[str], tuple[Path, Path]]:
    """Merge a branch with one more data asset; return a checkout of the merge, and the report on the branch."""
    assert mlgit("apply", "--auto-approve", cwd=without_job.first).code == 0

    def merge(name: str) -> tuple[Path, Path]:
        first, report = without_job.first, without_job.folder / "reports" / name
        git(first, "checkout", "--quiet", "-b", name, "main")
        data(first, name)
        assert mlgit("ci", "plan", "--base", "main", "--out", str(report), cwd=first).code == 0
        git(first, "checkout", "--quiet", "main")
        git(first, "merge", "--quiet", "--no-ff", "--no-edit", name)
        git(first, "push", "--quiet", "origin", "main")
        return without_job.clone(f"checkout-{name}"), report / "report.json"

    return merge


def start(folder: Path, *reports: Path) -> subprocess.Popen[str]:
    """Start the apply of a merge, in a process of its own."""
    out = str(folder.with_name(f"result-{folder.name}"))
    command = [sys.executable, "-m", "reconciler", "ci", "apply", *map(str, reports), "--out", out]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run(folder: Path, *reports: Path) -> tuple[int, str]:
    """Apply a merge; return the exit code, and all that was printed."""
    process = start(folder, *reports)
    output = process.communicate(timeout=300)[0]
    return process.returncode, output


def result(folder: Path) -> dict:
    return json.loads(folder.with_name(f"result-{folder.name}").joinpath("result.json").read_text("utf-8"))


def test_an_old_workflow_that_runs_again_does_not_undo_a_newer_merge(merges, without_job):
    (one, first), (two, second) = merges("one"), merges("two")
    assert run(one, first)[0] == 0
    assert run(two, second)[0] == 0
    before = without_job.live()
    code, output = run(one, first)
    assert (code, without_job.live()) == (1, before), output
    assert "[apply-rewinds]" in output


def test_a_branch_that_was_pushed_anew_after_its_report_is_not_applied(merges, without_job, mlgit):
    folder, report = merges("one")
    edit(without_job.first, "data/one.csv", "one", "another")
    commit(without_job.first, "amended")
    git(without_job.first, "push", "--quiet", "origin", "main")
    git(folder, "pull", "--quiet")
    before = without_job.live()
    code, output = run(folder, report)
    assert (code, result(folder)["verdict"]) == (1, "differs"), output
    assert without_job.live() == before
