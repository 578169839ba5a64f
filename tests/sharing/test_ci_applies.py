"""The applies of two merges that run at once, in two clones: each run is executed once, and nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from workspaces import APPLY, commit, edit, git

pytestmark = [pytest.mark.slow, pytest.mark.services]


def start(folder, *arguments):
    command = [sys.executable, "-m", "reconciler", "ci", "apply", *map(str, arguments), "--out", f"{folder}-result"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def report(mlgit, folder, out):
    assert mlgit("ci", "plan", "--base", "origin/main", "--out", str(out), cwd=folder).code == 0
    return out


def test_two_merges_that_are_applied_at_once_execute_everything_once(team, mlgit, data, tmp_path):
    assert mlgit(*APPLY, cwd=team.first).code == 0
    executed = team.executions()
    git(team.first, "checkout", "--quiet", "-b", "one")
    edit(team.first, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(team.first, "one")
    reports = [report(mlgit, team.first, tmp_path / "reports/1")]
    git(team.first, "checkout", "--quiet", "-b", "two", "origin/main")
    data(team.first, "more")
    reports.append(report(mlgit, team.first, tmp_path / "reports/2"))
    git(team.first, "merge", "--quiet", "--no-edit", "one")
    git(team.first, "push", "--quiet", "origin", "HEAD:main")
    folders = [team.clone("clone-1"), team.clone("clone-2")]
    processes = [start(folder, *reports, "--wait") for folder in folders]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n\n".join(outputs)
    assert team.executions() == executed + 1
    assert team.lock_refs() == []
    assert mlgit("plan", cwd=team.clone("fresh")).out.startswith("No changes. ")
    results = [json.loads((tmp_path / f"{folder.name}-result/result.json").read_text("utf-8")) for folder in folders]
    assert {result["verdict"] for result in results} <= {"applied", "nothing"}
    versions = [item["address"] for result in results for item in result["versions"]]
    assert sorted(versions) == ["data/more", "model/total"]
