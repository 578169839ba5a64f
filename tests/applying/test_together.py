"""Two applies on one workspace: one acts at a time, and one that only waits is in nobody's way."""

from __future__ import annotations

import pytest
from workspaces import APPLY, git

pytestmark = pytest.mark.slow


def test_a_second_apply_is_refused_while_the_first_acts_and_names_it(bench, hanging_index, mlgit, mlgit_process):
    first = mlgit_process(*APPLY, cwd=bench.folder, env=hanging_index.environment)
    try:
        assert hanging_index.asked.wait(30)
        before = git(bench.folder, "rev-parse", "refs/mlgit/small/default/live")
        second = mlgit(*APPLY, cwd=bench.folder)
    finally:
        first.kill()
        first.communicate(timeout=30)
    assert second.code == 1
    assert f"another apply is at work on this workspace: process {first.pid} of " in second.err
    assert "  help: wait until it has ended; nothing was changed\n" in second.err
    assert git(bench.folder, "rev-parse", "refs/mlgit/small/default/live") == before


def test_the_lock_of_an_apply_that_was_killed_is_free(bench, hanging_index, mlgit, mlgit_process):
    first = mlgit_process(*APPLY, cwd=bench.folder, env=hanging_index.environment)
    assert hanging_index.asked.wait(30)
    first.kill()
    first.communicate(timeout=30)
    assert "apply-running" not in mlgit(*APPLY, cwd=bench.folder).err


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
