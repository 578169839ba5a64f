"""status --watch: follows runs until they end, or until an interrupt."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys

import pytest
from workspaces import APPLY, commit, edit, until

pytestmark = pytest.mark.slow

WATCH = ("status", "--watch", "--interval", "0.1s")


@pytest.fixture
def running(waiting, mlgit):
    """Start a job that runs until the test lets it end."""
    assert mlgit("apply", "--auto-approve", cwd=waiting.folder).code == 0
    until(waiting.executions)
    return waiting


def test_changes_are_printed_line_by_line_until_no_run_is_active(running, mlgit_process):
    watching = mlgit_process(*WATCH, "--until-idle", cwd=running.folder)
    status = next(line for line in watching.stdout if line.startswith("job/sum "))
    assert "running" in status or "queued" in status
    running.let_it_end()
    rest, err = watching.communicate(timeout=120)
    assert (watching.returncode, err) == (0, "")
    assert [line for line in rest.splitlines() if line.startswith("job/sum ") and "completed" in line]


def test_an_interrupt_ends_the_watch_and_not_the_run(running, mlgit_process):
    watching = mlgit_process(*WATCH, cwd=running.folder)
    next(line for line in watching.stdout if line.startswith("job/sum "))
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=120)
    assert (watching.returncode, err) == (130, "")
    assert running.executions() == running.executions()[:1]


def test_on_a_terminal_the_table_is_drawn_in_place(running):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "reconciler", *WATCH, "--until-idle"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200", "LINES": "50"}
    watching = subprocess.Popen(command, cwd=running.folder, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    drawn = b""
    while drawn.count(b"ADDRESS") < 3:
        drawn += os.read(ours, 65536)
    assert b"\x1b[1A" in drawn  # the cursor moves up
    running.let_it_end()
    while chunk := _rest(ours):
        drawn += chunk
    assert watching.wait(120) == 0
    assert b"completed" in drawn
    os.close(ours)


def _rest(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end was closed
        return b""


def test_status_lists_active_runs_and_what_waits_for_them(running, mlgit):
    output = mlgit("status", cwd=running.folder).out
    waiting = output.partition("Waiting:\n")[2]
    assert "  job/sum: run sum-" in waiting
    assert "  model/total: waits for job/sum" in waiting


def test_status_lists_ended_runs_that_are_not_recorded_and_what_follows(running, mlgit, run_json):
    running.let_it_end()
    until(
        lambda: {entry["address"]: entry for entry in run_json(running.folder, "status")}["job/sum"].get("unrecorded")
    )
    output = mlgit("status", cwd=running.folder).out.partition("Ended, not recorded yet:\n")[2]
    assert re.match(
        r"  job/sum: run sum-\w+ completed; `mlgit apply` records it, then continues with model/total\n", output
    )
    assert mlgit(*APPLY, cwd=running.folder).code == 0
    assert "not recorded" not in mlgit("status", cwd=running.folder).out


def test_invalid_files_do_not_stop_status(running, mlgit):
    edit(running.folder, "jobs/sum.yml", "environment:", "enviroment:")
    commit(running.folder)
    result = mlgit("status", cwd=running.folder)
    assert (result.code, result.err) == (0, "")
    assert "Waiting:" not in result.out
