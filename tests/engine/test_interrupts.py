"""Ctrl-C: what was done is recorded, what runs goes on, and the next apply goes on from there."""

from __future__ import annotations

import os
import signal

import pytest
from workspaces import APPLY, SMALL, commit, edit, until

pytestmark = pytest.mark.slow


def interrupt_all(pid):
    """Do what a terminal does: tell mlgit and whatever it has started in its group."""
    os.killpg(pid, signal.SIGINT)


def interrupt_one(pid):
    os.kill(pid, signal.SIGINT)


@pytest.mark.parametrize("interrupt", [interrupt_all, interrupt_one])
def test_a_run_goes_on_when_its_apply_is_interrupted_and_the_next_apply_takes_it_over(  # noqa: PLR0913, PLR0917 - fixtures
    interrupt, waiting, mlgit, mlgit_process, listed, golden
):
    process = mlgit_process(*APPLY, cwd=waiting.folder)
    until(waiting.executions)
    interrupt(process.pid)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    golden("cli/faults/interrupted.txt", said)
    (run,) = listed(waiting.folder, "job", "list")
    assert run["status"] == "running"
    assert listed(waiting.folder, "list", "model") == []
    waiting.let_it_end()
    assert mlgit(*APPLY, cwd=waiting.folder).code == 0
    assert len(waiting.executions()) == 1
    (model,) = listed(waiting.folder, "list", "model")
    assert model["lineage"]["run"] == run["run"]
    assert mlgit("plan", cwd=waiting.folder).out.startswith("No changes. ")


@pytest.mark.parametrize("interrupt", [interrupt_all, interrupt_one])
def test_a_build_that_is_interrupted_twice_registers_nothing_half_and_leaves_no_process(  # noqa: PLR0913, PLR0917
    interrupt, bench, hanging_index, mlgit, mlgit_process, listed, golden
):
    process = mlgit_process(*APPLY, cwd=bench.folder, env=hanging_index.environment)
    assert hanging_index.asked.wait(30)
    interrupt(process.pid)
    next(line for line in process.stdout if "comes to its end first; Ctrl-C once more stops it" in line)
    interrupt(process.pid)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    golden("cli/faults/interrupted-build.txt", said)
    assert hanging_index.left_alone.wait(30), "uv lives on"
    assert [each["address"] for each in listed(bench.folder, "list")] == ["data/numbers", "workspace/small"]
    edit(bench.folder, "environments/plain.yml", ", {pip: [slowpoke]}", "")
    commit(bench.folder)
    assert mlgit(*APPLY, cwd=bench.folder).code == 0
    assert mlgit("plan", cwd=bench.folder).out.startswith("No changes. ")


@pytest.mark.parametrize("interrupt", [interrupt_all, interrupt_one])
def test_a_build_that_is_interrupted_once_comes_to_its_end_and_nothing_more_is_begun(  # noqa: PLR0913, PLR0917
    interrupt, bench, paced, mlgit, mlgit_process, listed
):
    process = mlgit_process(*APPLY, cwd=bench.folder, env=paced.environment)
    until(paced.builds)
    interrupt(process.pid)
    next(line for line in process.stdout if "comes to its end first; Ctrl-C once more stops it" in line)
    paced.go_on()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "✓ environment/plain: build with paced" in out
    assert bench.executions() == []
    assert mlgit("unlock", cwd=bench.folder).out == "There are no locks.\n"
    assert mlgit(*APPLY, cwd=bench.folder).code == 0
    assert len(bench.executions()) == 1
    assert paced.builds() == ["plain"]


def test_a_job_that_is_followed_or_waited_for_goes_on_when_the_onlooker_leaves(waiting, mlgit, mlgit_process):
    assert mlgit("apply", "--auto-approve", cwd=waiting.folder).code == 0
    until(waiting.executions)
    for command in (("job", "logs", "sum", "--follow"), ("job", "wait", "sum")):
        process = mlgit_process(*command, cwd=waiting.folder)
        assert (process.stdout if "logs" in command else process.stderr).readline()
        interrupt_all(process.pid)
        process.communicate(timeout=30)
        assert process.returncode == 130
    waiting.let_it_end()
    assert mlgit("job", "wait", "sum", cwd=waiting.folder).code == 0
    assert len(waiting.executions()) == 1


def test_what_was_done_before_an_interrupt_is_recorded(applied, mlgit, mlgit_process, listed):
    files = {f"data/n{number}.csv": f"{number}\n" for number in range(200)}
    for number in range(200):
        files[f"data/n{number}.yml"] = SMALL["data/numbers.yml"].replace("numbers", f"n{number}")
    commit(applied, "many", files)
    process = mlgit_process(*APPLY, cwd=applied)
    stored = len(list(applied.glob(".mlgit/store/files/**/*")))
    until(lambda: len(list(applied.glob(".mlgit/store/files/**/*"))) > stored + 20)
    interrupt_all(process.pid)
    out, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    done = {line.split()[1].rstrip(":") for line in out.splitlines() if line.startswith("  ✓ ")}
    live = {each["address"] for each in listed(applied, "list", "data")} - {"data/numbers"}
    assert done == live
    assert 0 < len(done) < 200
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")


def test_who_stops_following_a_log_is_told_nothing_more(waiting, mlgit, mlgit_process):
    assert mlgit("apply", "--auto-approve", cwd=waiting.folder).code == 0
    until(waiting.executions)
    process = mlgit_process("job", "logs", "sum", "--follow", cwd=waiting.folder)
    assert process.stdout.readline()
    interrupt_one(process.pid)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "")
    waiting.let_it_end()
