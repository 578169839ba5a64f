"""Concurrent applies of one workspace: each executes its part, and one that waits for a run holds no lock."""

from __future__ import annotations

import subprocess
import sys

import pytest
from workspaces import APPLY, SMALL, commit, git

pytestmark = pytest.mark.slow


def test_the_next_apply_executes_the_actions_of_a_killed_one(workspace, hanging_index, mlgit, mlgit_process):
    first = mlgit_process(*APPLY, cwd=workspace.folder, env=hanging_index.environment)
    assert hanging_index.requested.wait(120)
    first.kill()
    first.communicate(timeout=180)
    git(workspace.folder, "revert", "--no-edit", "HEAD")  # the dependency that is never delivered
    second = mlgit(*APPLY, cwd=workspace.folder)
    assert second.code == 0, second.err
    assert "took over from " in second.out
    assert len(workspace.executions()) == 1


def declare_many(folder, count):
    files = {f"data/n{number}.csv": f"{number}\n" for number in range(count)}
    for number in range(count):
        files[f"data/n{number}.yml"] = SMALL["data/numbers.yml"].replace("numbers", f"n{number}")
    commit(folder, "many", files)


def start(folder, *options):
    command = [sys.executable, "-m", "reconciler", *APPLY, *options]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_success(processes):
    result = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), "\n\n".join(result)


def remaining_locks(folder):
    refs = git(folder, "for-each-ref", "--format=%(refname)", "refs/mlgit").splitlines()
    return [ref for ref in refs if "/locks" in ref or "/heartbeat/" in ref]


@pytest.mark.services
@pytest.mark.parametrize("applies", [2, pytest.param(8, marks=pytest.mark.soak)])
def test_concurrent_applies_of_a_workspace_succeed_and_execute_everything_once(applies, workspace, mlgit, run_json):
    declare_many(workspace.folder, 6)
    wait_for_success([start(workspace.folder) for _ in range(applies)])
    assert mlgit("plan", cwd=workspace.folder).out.startswith("No changes. ")
    assert len(workspace.executions()) == 1
    assert len(run_json(workspace.folder, "job", "list")) == 1
    assert {asset["version"] for asset in run_json(workspace.folder, "list", "data")} == {"1"}
    assert remaining_locks(workspace.folder) == []


@pytest.mark.services
@pytest.mark.parametrize("applies", [3, pytest.param(8, marks=pytest.mark.soak)])
def test_concurrent_applies_of_overlapping_selections_succeed_and_lose_no_record(applies, workspace, mlgit, run_json):
    declare_many(workspace.folder, applies + 1)
    sets = [(f"data/n{number}", f"data/n{number + 1}", "workspace") for number in range(applies)]
    wait_for_success(
        [start(workspace.folder, *(f"--select={selector}" for selector in selectors)) for selectors in sets]
    )
    live = [asset["address"] for asset in run_json(workspace.folder, "list")]
    assert live == [*(f"data/n{number}" for number in range(applies + 1)), "workspace/small"]
    history = [line for entry in run_json(workspace.folder, "log", "-n", "100") for line in entry["done"]]
    assert sorted(line for line in history if "data/" in line) == [
        f"new-version data/n{number}@1" for number in range(applies + 1)
    ]
    assert remaining_locks(workspace.folder) == []


def test_a_second_apply_while_the_first_waits_is_allowed_and_submits_nothing(
    waiting, mlgit, mlgit_process, golden, run_json
):
    first = mlgit_process(*APPLY, cwd=waiting.folder)
    assert first.stdout
    next(line for line in first.stdout if " is running" in line)
    second = mlgit("apply", "--auto-approve", cwd=waiting.folder)
    assert second.code == 0
    golden("cli/second-apply.txt", second.out)
    waiting.let_it_end()
    first.communicate(timeout=120)
    assert first.returncode == 0
    assert len(waiting.executions()) == 1
    assert len(run_json(waiting.folder, "job", "list")) == 1


@pytest.mark.services
def test_two_applies_that_wait_for_the_same_run_both_succeed(waiting, mlgit_process, run_json):
    processes = []
    for _ in range(2):
        process = mlgit_process(*APPLY, cwd=waiting.folder)
        next(line for line in process.stdout if " is running" in line)
        processes.append(process)
    waiting.let_it_end()
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    (model,) = run_json(waiting.folder, "list", "model")
    assert model["version"] == "1"
    assert len(waiting.executions()) == 1


def test_the_next_apply_records_the_runs_of_an_apply_that_did_not_wait(waiting, mlgit, golden, run_json):
    first = mlgit("apply", "--auto-approve", cwd=waiting.folder)
    assert first.code == 0
    golden("cli/apply-without-wait.txt", first.out)
    golden("cli/plan-while-running.txt", mlgit("plan", cwd=waiting.folder).out)
    assert run_json(waiting.folder, "list", "model") == []
    waiting.let_it_end()
    assert mlgit("job", "wait", "sum", cwd=waiting.folder).code == 0
    second = mlgit("apply", cwd=waiting.folder)  # advances need no approval
    assert second.code == 0, second.err
    golden("cli/apply-of-advances.txt", second.out)
    assert len(run_json(waiting.folder, "list", "model")) == 1
