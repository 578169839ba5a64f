"""Experiments in a live state that several clones share."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

from workspaces import edit, git


def test_another_clone_sees_the_run_shows_it_and_adopts_it(team, mlgit):
    assert mlgit("run", "jobs/sum.yml", cwd=team.first).code == 0
    second = team.clone("second")
    (run,) = json.loads(mlgit("job", "list", "--format", "json", cwd=second).out)
    assert run["status"] == "completed"
    assert "nothing is run" in mlgit("run", "jobs/sum.yml", cwd=second).out
    applied = mlgit("apply", "--auto-approve", cwd=second)
    assert applied.code == 0, applied.out + applied.err
    assert f"adopt run {run['run']}" in applied.out
    assert team.executions() == 1


def test_clones_that_run_the_same_at_the_same_time_execute_it_once(team, mlgit_process):
    clones = [team.first, team.clone("second"), team.clone("third")]
    with ThreadPoolExecutor() as pool:
        processes = [mlgit_process("run", "jobs/sum.yml", cwd=clone) for clone in clones]
        ended = [*pool.map(lambda process: process.communicate(timeout=120), processes)]
    assert [process.returncode for process in processes] == [0, 0, 0], ended
    assert team.executions() == 1


def test_the_files_of_a_dirty_work_tree_are_at_the_remote(team, mlgit):
    edit(team.first, "src/sum.py", "open(", "print('changed'); open(")
    assert mlgit("run", "jobs/sum.yml", cwd=team.first).code == 0
    (run,) = json.loads(mlgit("job", "list", "--format", "json", cwd=team.clone("second")).out)
    assert "changed" in git(team.origin, "show", f"{run['commit']}:src/sum.py")


def test_a_remote_that_cannot_be_reached_is_one_error_before_anything_runs(team, mlgit):
    assert mlgit("run", "jobs/sum.yml", "--name", "warm-up", cwd=team.first).code == 0
    shutil.move(team.origin, team.origin.with_suffix(".gone"))
    ended = mlgit("run", "jobs/sum.yml", cwd=team.first)
    assert ended.code == 1
    assert ended.err.count("error: ") == 1
    assert "remote" in ended.err
    assert team.executions() == 1


def test_a_backend_on_another_machine_is_one_error_before_anything_runs(team, mlgit, monkeypatch):
    monkeypatch.setenv("MLGIT_HOST", "there")
    ended = mlgit("run", "jobs/sum.yml", cwd=team.first)
    assert ended.code == 1
    assert ended.err.count("error: ") == 1
    assert "here" in ended.err
    assert team.executions() == 0
    assert team.live() == ""
