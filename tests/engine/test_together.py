"""Applies on one workspace at the same time: each does its part, and one that only waits is in nobody's way."""

from __future__ import annotations

import subprocess
import sys

import pytest
from workspaces import APPLY, SMALL, commit, git

pytestmark = pytest.mark.slow


def test_what_an_apply_that_was_killed_was_at_is_taken_on_by_the_next(bench, hanging_index, mlgit, mlgit_process):
    first = mlgit_process(*APPLY, cwd=bench.folder, env=hanging_index.environment)
    assert hanging_index.asked.wait(60)
    first.kill()
    first.communicate(timeout=60)
    git(bench.folder, "revert", "--no-edit", "HEAD")  # what asks for the package that is never delivered
    second = mlgit(*APPLY, cwd=bench.folder)
    assert second.code == 0, second.err
    assert "took over from " in second.out
    assert len(bench.executions()) == 1


def many(folder, count):
    files = {f"data/n{number}.csv": f"{number}\n" for number in range(count)}
    for number in range(count):
        files[f"data/n{number}.yml"] = SMALL["data/numbers.yml"].replace("numbers", f"n{number}")
    commit(folder, "many", files)


def start(folder, *options):
    command = [sys.executable, "-m", "reconciler", *APPLY, *options]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def all_well(processes):
    ended = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), "\n\n".join(ended)


def left(folder):
    refs = git(folder, "for-each-ref", "--format=%(refname)", "refs/mlgit").splitlines()
    return [ref for ref in refs if "/claims" in ref or "/beat/" in ref]


@pytest.mark.parametrize("applies", [2, pytest.param(8, marks=pytest.mark.soak)])
def test_applies_of_all_of_a_workspace_at_once_all_end_well_and_do_everything_once(applies, bench, mlgit, listed):
    many(bench.folder, 6)
    all_well([start(bench.folder) for _ in range(applies)])
    assert mlgit("plan", cwd=bench.folder).out.startswith("No changes. ")
    assert len(bench.executions()) == 1
    assert len(listed(bench.folder, "job", "list")) == 1
    assert {each["version"] for each in listed(bench.folder, "list", "data")} == {"1"}
    assert left(bench.folder) == []


@pytest.mark.parametrize("applies", [3, pytest.param(8, marks=pytest.mark.soak)])
def test_applies_of_sets_that_overlap_all_end_well_and_lose_no_record(applies, bench, mlgit, listed):
    many(bench.folder, applies + 1)
    sets = [(f"data/n{number}", f"data/n{number + 1}", "workspace") for number in range(applies)]
    all_well([start(bench.folder, *(f"--select={each}" for each in chosen)) for chosen in sets])
    live = [each["address"] for each in listed(bench.folder, "list")]
    assert live == [*(f"data/n{number}" for number in range(applies + 1)), "workspace/small"]
    history = [line for deed in listed(bench.folder, "log", "-n", "100") for line in deed["done"]]
    assert sorted(line for line in history if "data/" in line) == [
        f"new-version data/n{number}@1" for number in range(applies + 1)
    ]
    assert left(bench.folder) == []


def test_a_second_apply_while_the_first_only_waits_is_allowed_and_submits_nothing(
    waiting, mlgit, mlgit_process, golden, listed
):
    first = mlgit_process(*APPLY, cwd=waiting.folder)
    assert first.stdout
    next(line for line in first.stdout if " is running" in line)
    second = mlgit("apply", "--auto-approve", cwd=waiting.folder)
    assert second.code == 0
    golden("cli/second-apply.txt", second.out)
    waiting.let_it_end()
    first.communicate(timeout=30)
    assert first.returncode == 0
    assert len(waiting.executions()) == 1
    assert len(listed(waiting.folder, "job", "list")) == 1


def test_two_applies_that_wait_for_the_same_run_both_end_well(waiting, mlgit_process, listed):
    processes = []
    for _ in range(2):
        process = mlgit_process(*APPLY, cwd=waiting.folder)
        next(line for line in process.stdout if " is running" in line)
        processes.append(process)
    waiting.let_it_end()
    for process in processes:
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
    (model,) = listed(waiting.folder, "list", "model")
    assert model["version"] == "1"
    assert len(waiting.executions()) == 1


def test_an_apply_that_does_not_wait_is_taken_on_by_whoever_comes_next(waiting, mlgit, golden, listed):
    first = mlgit("apply", "--auto-approve", cwd=waiting.folder)
    assert first.code == 0
    golden("cli/apply-without-wait.txt", first.out)
    golden("cli/plan-while-running.txt", mlgit("plan", cwd=waiting.folder).out)
    assert listed(waiting.folder, "list", "model") == []
    waiting.let_it_end()
    assert mlgit("job", "wait", "sum", cwd=waiting.folder).code == 0
    second = mlgit("apply", cwd=waiting.folder)  # advances want no approval
    assert second.code == 0, second.err
    golden("cli/apply-of-advances.txt", second.out)
    assert len(listed(waiting.folder, "list", "model")) == 1
