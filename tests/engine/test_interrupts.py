"""Ctrl-C: results are recorded, runs continue, and the next apply resumes."""

from __future__ import annotations

import os
import signal

import pytest
from workspaces import APPLY, SMALL, commit, edit, signal_itself, until

pytestmark = pytest.mark.slow


def interrupt_all(pid):
    """Interrupt the process group, as a terminal does."""
    os.killpg(pid, signal.SIGINT)


def interrupt_one(pid):
    os.kill(pid, signal.SIGINT)


@pytest.mark.parametrize("interrupt", [interrupt_all, interrupt_one])
def test_a_run_continues_when_its_apply_is_interrupted_and_the_next_apply_records_it(  # noqa: PLR0913, PLR0917 - fixtures
    interrupt, waiting, mlgit, mlgit_process, run_json, golden
):
    process = mlgit_process(*APPLY, cwd=waiting.folder)
    until(waiting.executions)
    interrupt(process.pid)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    golden("cli/errors/interrupted.txt", err)
    (run,) = run_json(waiting.folder, "job", "list")
    assert run["status"] == "running"
    assert run_json(waiting.folder, "list", "model") == []
    waiting.let_it_end()
    assert mlgit(*APPLY, cwd=waiting.folder).code == 0
    assert len(waiting.executions()) == 1
    (model,) = run_json(waiting.folder, "list", "model")
    assert model["lineage"]["run"] == run["run"]
    assert mlgit("plan", cwd=waiting.folder).out.startswith("No changes. ")


@pytest.mark.parametrize("interrupt", [interrupt_all, interrupt_one])
def test_a_build_interrupted_twice_registers_nothing_and_leaves_no_process(  # noqa: PLR0913, PLR0917
    interrupt, workspace, hanging_index, mlgit, mlgit_process, run_json, golden
):
    process = mlgit_process(*APPLY, cwd=workspace.folder, env=hanging_index.environment)
    assert hanging_index.requested.wait(120)
    interrupt(process.pid)
    next(line for line in process.stdout if "finishing; press Ctrl-C again to interrupt" in line)
    interrupt(process.pid)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    golden("cli/errors/interrupted-build.txt", err)
    assert hanging_index.disconnected.wait(120), "uv is still running"
    assert [asset["address"] for asset in run_json(workspace.folder, "list")] == ["data/numbers", "workspace/small"]
    edit(workspace.folder, "environments/plain.yml", ", {pip: [slowpoke]}", "")
    commit(workspace.folder)
    assert mlgit(*APPLY, cwd=workspace.folder).code == 0
    assert mlgit("plan", cwd=workspace.folder).out.startswith("No changes. ")


@pytest.mark.parametrize("interrupt", [interrupt_all, interrupt_one])
def test_a_build_interrupted_once_finishes_and_no_action_is_started(  # noqa: PLR0913, PLR0917
    interrupt, workspace, paced, mlgit, mlgit_process, run_json
):
    process = mlgit_process(*APPLY, cwd=workspace.folder, env=paced.environment)
    until(paced.builds)
    interrupt(process.pid)
    next(line for line in process.stdout if "finishing; press Ctrl-C again to interrupt" in line)
    paced.go_on()
    out, _ = process.communicate(timeout=180)
    assert process.returncode == 130
    assert "✓ environment/plain: is built with paced" in out
    assert workspace.executions() == []
    assert mlgit("unlock", cwd=workspace.folder).out == "There are no locks.\n"
    assert mlgit(*APPLY, cwd=workspace.folder).code == 0
    assert len(workspace.executions()) == 1
    assert paced.builds() == ["plain"]


def test_a_job_continues_when_following_or_waiting_for_it_is_interrupted(waiting, mlgit, mlgit_process):
    assert mlgit("apply", "--auto-approve", cwd=waiting.folder).code == 0
    until(waiting.executions)
    for command in (("job", "logs", "sum", "--follow"), ("job", "wait", "sum")):
        process = mlgit_process(*command, cwd=waiting.folder)
        assert (process.stdout if "logs" in command else process.stderr).readline()
        interrupt_all(process.pid)
        process.communicate(timeout=120)
        assert process.returncode == 130
    waiting.let_it_end()
    assert mlgit("job", "wait", "sum", cwd=waiting.folder).code == 0
    assert len(waiting.executions()) == 1


def test_actions_done_before_an_interrupt_are_recorded(applied, mlgit, mlgit_process, run_json):
    files = {f"data/n{number}.csv": f"{number}\n" for number in range(200)}
    for number in range(200):
        files[f"data/n{number}.yml"] = SMALL["data/numbers.yml"].replace("numbers", f"n{number}")
    commit(applied, "many", files)
    interrupted = signal_itself(applied.parent / "start", signal.SIGINT, "os.rename", "store/files", 20, is_group=True)
    process = mlgit_process(*APPLY, cwd=applied, env=interrupted)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    done = {line.split()[1].rstrip(":") for line in out.splitlines() if line.startswith("  ✓ ")}
    live = {asset["address"] for asset in run_json(applied, "list", "data")} - {"data/numbers"}
    assert done == live
    assert 0 < len(done) < 200
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")


def test_interrupting_a_followed_log_prints_nothing(waiting, mlgit, mlgit_process):
    assert mlgit("apply", "--auto-approve", cwd=waiting.folder).code == 0
    until(waiting.executions)
    process = mlgit_process("job", "logs", "sum", "--follow", cwd=waiting.folder)
    assert process.stdout.readline()
    interrupt_one(process.pid)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (130, "")
    waiting.let_it_end()
