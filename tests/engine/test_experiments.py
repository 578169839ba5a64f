"""Experiments survive whatever ends the command: nothing is executed twice, nothing is lost, an apply adopts them."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from workspaces import commit, edit, git, put, until

from reconciler.timestamps import format_timestamp

_REF = "refs/mlgit/small/default/live"
_FILE = "jobs/sum.yml"


def runs(run_json, workspace):
    return run_json(workspace.folder, "job", "list")


def files(workspace, *prefixes):
    listed = git(workspace.folder, "ls-tree", "-r", "--name-only", _REF).splitlines()
    return [path for path in listed if path.startswith(prefixes)]


def kill_after(process, seconds):
    """Kill a command after some time, if it has not ended before."""

    def kill() -> None:
        with suppress(ProcessLookupError):  # it ends at this moment
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(seconds, kill)
    timer.start()
    process.communicate()
    timer.cancel()


def test_a_run_goes_on_when_its_command_is_killed_and_the_next_one_follows_it(waiting, mlgit_process, run_json, golden):
    first = mlgit_process("run", _FILE, cwd=waiting.folder)
    until(waiting.executions)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    second = mlgit_process("run", _FILE, cwd=waiting.folder)
    first_line = second.stdout.readline()
    waiting.let_it_end()
    out = second.stdout.read()  # communicate() would lose what readline() has read ahead
    _, err = second.communicate(timeout=180)
    assert second.returncode == 0, err
    golden("cli/run/attached.txt", re.sub(r"after [0-9.]+ s", "after 1.0 s", first_line + out))
    assert len(waiting.executions()) == 1
    (run,) = runs(run_json, waiting)
    assert (run["status"], run["attempt"], run["experiment"]) == ("completed", 1, True)
    assert files(waiting, "unfinished/") == []


def test_the_end_of_a_run_that_nobody_followed_is_recorded_by_whatever_comes_next(waiting, mlgit, run_json):
    assert mlgit("run", _FILE, "--detach", cwd=waiting.folder).code == 0
    assert len(files(waiting, "unfinished/")) == 1
    waiting.let_it_end()
    until(lambda: runs(run_json, waiting)[0]["status"] == "completed")  # read only: nothing is written
    assert len(files(waiting, "unfinished/")) == 1
    shown = mlgit("run", _FILE, cwd=waiting.folder)
    assert shown.code == 0
    assert files(waiting, "unfinished/") == []
    assert len(waiting.executions()) == 1


def test_ctrl_c_ends_following_and_never_the_run(waiting, mlgit_process, mlgit, golden):
    process = mlgit_process("run", _FILE, cwd=waiting.folder)
    until(waiting.executions)
    until(lambda: process.stdout and files(waiting, "unfinished/"))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 130
    golden("cli/run/interrupted.txt", err)
    waiting.let_it_end()
    assert mlgit("job", "wait", "sum", cwd=waiting.folder).code == 0


def test_two_at_the_same_time_execute_it_once(workspace, mlgit_process, run_json):
    with ThreadPoolExecutor() as pool:
        processes = [mlgit_process("run", _FILE, cwd=workspace.folder) for _ in range(3)]
        ended = [*pool.map(lambda process: process.communicate(timeout=120), processes)]
    assert [process.returncode for process in processes] == [0, 0, 0], ended
    assert len(workspace.executions()) == 1
    assert len(runs(run_json, workspace)) == 1


@pytest.mark.services
@pytest.mark.slow
def test_killed_at_random_moments_nothing_is_executed_twice_and_nothing_is_lost(workspace, mlgit, mlgit_process):
    chance = random.Random(7)  # noqa: S311 - the moments of kills
    assert mlgit("run", _FILE, "--name", "warm-up", cwd=workspace.folder).code == 0
    for number in range(12):
        before = len(workspace.executions())
        options = ("run", _FILE, "--name", f"job-{number}")
        for _ in range(3):
            kill_after(mlgit_process(*options, cwd=workspace.folder), chance.uniform(0.2, 2.5))
        last = mlgit_process(*options, cwd=workspace.folder)
        out, err = last.communicate(timeout=120)
        assert last.returncode == 0, out + err
        assert len(workspace.executions()) == before + 1
    listed = json.loads(mlgit("job", "list", "--format", "json", cwd=workspace.folder).out)
    assert {run["status"] for run in listed} == {"completed"}
    assert len(listed) == 13
    assert files(workspace, "unfinished/") == []


def test_an_apply_takes_over_an_active_run_by_its_token(waiting, mlgit, run_json):
    assert mlgit("run", _FILE, "--detach", cwd=waiting.folder).code == 0
    until(waiting.executions)
    applied = mlgit("apply", "--auto-approve", cwd=waiting.folder)
    assert applied.code == 0, applied.out + applied.err
    assert "takes over sum-" in applied.out
    assert files(waiting, "unfinished/", "experiments/") == []
    waiting.let_it_end()
    assert mlgit("apply", "--auto-approve", "--wait", cwd=waiting.folder).code == 0
    assert len(waiting.executions()) == 1
    (run,) = runs(run_json, waiting)
    assert "experiment" not in run
    assert mlgit("plan", "--detailed-exitcode", cwd=waiting.folder).code == 0


def test_an_apply_adopts_a_run_that_has_ended_and_was_not_recorded(waiting, mlgit, run_json):
    assert mlgit("run", _FILE, "--detach", cwd=waiting.folder).code == 0
    waiting.let_it_end()
    until(lambda: runs(run_json, waiting)[0]["status"] == "completed")
    applied = mlgit("apply", "--auto-approve", "--wait", cwd=waiting.folder)
    assert applied.code == 0, applied.out + applied.err
    assert "adopt run sum-" in applied.out
    assert len(waiting.executions()) == 1
    assert files(waiting, "unfinished/", "experiments/") == []
    assert mlgit("plan", "--detailed-exitcode", cwd=waiting.folder).code == 0


def test_a_run_of_an_apply_is_followed_and_shown_and_never_run_again(waiting, mlgit, mlgit_process):
    assert mlgit("apply", "--auto-approve", cwd=waiting.folder).code == 0
    until(waiting.executions)
    process = mlgit_process("run", _FILE, cwd=waiting.folder)
    assert "following it" in process.stdout.readline()
    waiting.let_it_end()
    _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert mlgit("apply", "--auto-approve", "--wait", cwd=waiting.folder).code == 0
    assert "nothing is run" in mlgit("run", _FILE, cwd=waiting.folder).out
    assert len(waiting.executions()) == 1


def test_an_active_experiment_is_shown_by_status_and_canceled_by_its_job(waiting, mlgit, run_json):
    assert mlgit("run", _FILE, "--detach", cwd=waiting.folder).code == 0
    until(waiting.executions)
    assert "Experiments of `mlgit run`:\n  job/sum: run sum-" in mlgit("status", cwd=waiting.folder).out
    assert mlgit("job", "cancel", "sum", cwd=waiting.folder).code == 0
    assert runs(run_json, waiting)[0]["status"] == "canceled"
    assert files(waiting, "unfinished/") == []
    assert mlgit("job", "logs", "sum", cwd=waiting.folder).code == 0


def test_destroy_cancels_active_experiments(waiting, mlgit, run_json):
    assert mlgit("apply", "--auto-approve", "--exclude", "job/sum", cwd=waiting.folder).code == 0
    assert mlgit("run", _FILE, "--detach", cwd=waiting.folder).code == 0
    until(waiting.executions)
    destroyed = mlgit("apply", "--destroy", "--auto-approve", cwd=waiting.folder)
    assert destroyed.code == 0, destroyed.out + destroyed.err
    assert runs(run_json, waiting)[0]["status"] == "canceled"


def test_another_work_tree_follows_the_same_run(waiting, mlgit, tmp_path):
    assert mlgit("run", _FILE, "--detach", cwd=waiting.folder).code == 0
    until(waiting.executions)
    linked = tmp_path / "linked"
    git(waiting.folder, "worktree", "add", "--quiet", str(linked))
    waiting.let_it_end()
    ended = mlgit("run", _FILE, cwd=linked)
    assert ended.code == 0, ended.err
    assert len(waiting.executions()) == 1


def test_experiments_are_removed_when_they_are_old_with_the_commits_that_only_they_need(workspace, mlgit, run_json):
    edit(workspace.folder, _FILE, "command: ", "tags: {a: b}\ncommand: ")
    assert mlgit("run", _FILE, cwd=workspace.folder).code == 0
    edit(workspace.folder, _FILE, "tags: {a: b}", "tags: {a: c}")  # the same files may be the same commit
    assert mlgit("run", _FILE, "--name", "young", cwd=workspace.folder).code == 0
    (old,) = [run for run in runs(run_json, workspace) if run["job"] == "job/sum"]
    (path,) = [path for path in files(workspace, "experiments/") if "/sum/" in path]
    recorded = json.loads(git(workspace.folder, "show", f"{_REF}:{path}"))
    ended_at = format_timestamp(datetime.now(UTC) - timedelta(days=31), "milliseconds")
    put(workspace.folder, path, {**recorded, "ended_at": ended_at})
    assert mlgit("run", _FILE, "--name", "young", cwd=workspace.folder).code == 0
    assert [run["job"] for run in runs(run_json, workspace)] == ["job/young"]
    sources = git(workspace.folder, "for-each-ref", "--format=%(refname)", "refs/mlgit/small/default/sources/")
    assert old["commit"] not in sources
    assert len(sources.splitlines()) == 1
    commit(workspace.folder)


@pytest.mark.parametrize(
    "command",
    [
        ("plan",),
        ("plan", "--refresh"),
        ("plan", "--format", "json"),
        ("drift",),
        ("status",),
        ("status", "--format", "json"),
        ("list", "--all"),
        ("log",),
        ("diff",),
        ("state", "show"),
        ("job", "list", "sum"),
        ("job", "show", "sum"),
        ("job", "logs", "sum"),
        ("job", "metrics", "sum"),
    ],
)
def test_commands_that_read_go_on_beside_an_experiment_that_has_ended_and_is_not_recorded(
    waiting, mlgit, run_json, command
):
    assert mlgit("run", _FILE, "--detach", cwd=waiting.folder).code == 0
    waiting.let_it_end()
    until(lambda: runs(run_json, waiting)[0]["status"] == "completed")
    before = git(waiting.folder, "rev-parse", _REF)
    ended = mlgit(*command, cwd=waiting.folder)
    assert ended.code == 0, ended.out + ended.err
    assert git(waiting.folder, "rev-parse", _REF) == before


def test_a_damaged_experiment_is_named_and_repaired(workspace, mlgit):
    assert mlgit("run", _FILE, "--detach", cwd=workspace.folder).code == 0
    for path in files(workspace, "experiments/", "unfinished/"):
        put(workspace.folder, path, {"address": 1})
        ended = mlgit("job", "show", "sum", cwd=workspace.folder)
        assert ended.code == 1
        assert path in ended.err
        assert "state-corrupt" in ended.err
        assert mlgit("state", "repair", "--auto-approve", cwd=workspace.folder).code == 0
        assert mlgit("job", "show", "sum", cwd=workspace.folder).code == 0


def test_the_end_of_a_run_without_outputs_is_recorded_too(waiting, mlgit, run_json):
    edit(waiting.folder, _FILE, "outputs:\n  total: {type: uri_folder}", "")
    edit(waiting.folder, _FILE, "${{outputs.total}}", ".")
    assert mlgit("run", _FILE, "--detach", cwd=waiting.folder).code == 0
    waiting.let_it_end()
    until(lambda: runs(run_json, waiting)[0]["status"] == "completed")
    assert len(files(waiting, "unfinished/")) == 1
    assert mlgit("run", _FILE, cwd=waiting.folder).code == 0
    assert files(waiting, "unfinished/") == []


def test_the_end_of_a_failed_attempt_is_recorded_before_the_next_one(workspace, mlgit, run_json):
    workspace.script("raise SystemExit(3)")
    assert mlgit("run", _FILE, "--detach", cwd=workspace.folder).code == 0
    until(lambda: runs(run_json, workspace)[0]["status"] == "failed")
    assert mlgit("run", _FILE, cwd=workspace.folder).code == 1
    assert [(run["attempt"], run["status"]) for run in runs(run_json, workspace)] == [(1, "failed"), (2, "failed")]
    assert files(workspace, "unfinished/") == []


def test_ctrl_c_during_a_build_submits_nothing_and_says_so(workspace, hanging_index, mlgit_process):
    process = mlgit_process("run", _FILE, cwd=workspace.folder, env=hanging_index.environment)
    assert hanging_index.requested.wait(120)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 130
    assert "Interrupted before run sum-" in err
    assert hanging_index.disconnected.wait(180)
    assert workspace.executions() == []


def test_job_wait_records_the_end_and_job_download_brings_out_what_the_run_left(waiting, mlgit, run_json, tmp_path):
    assert mlgit("run", _FILE, "--detach", cwd=waiting.folder).code == 0
    waiting.let_it_end()
    assert mlgit("job", "wait", "sum", cwd=waiting.folder).code == 0
    assert files(waiting, "unfinished/") == []
    ended = mlgit("job", "download", "sum", str(tmp_path / "out"), cwd=waiting.folder)
    assert ended.code == 0, ended.err
    assert (tmp_path / "out/named-outputs/total/total.txt").read_text() == "6"
    assert mlgit("run", _FILE, "--again", "--detach", cwd=waiting.folder).code == 0
    until(lambda: [run["status"] for run in runs(run_json, waiting)] == ["completed", "completed"])
    assert mlgit("job", "download", "sum", str(tmp_path / "again"), cwd=waiting.folder).code == 0
    assert files(waiting, "unfinished/") == []
