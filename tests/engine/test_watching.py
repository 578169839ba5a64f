"""status --watch: a run looked at until it ends, or until nobody wants to look any longer."""

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


def test_what_changes_is_told_line_by_line_until_nothing_runs(running, mlgit_process):
    watching = mlgit_process(*WATCH, "--until-idle", cwd=running.folder)
    seen = next(line for line in watching.stdout if line.startswith("job/sum "))
    assert "running" in seen or "queued" in seen
    running.let_it_end()
    rest, said = watching.communicate(timeout=30)
    assert (watching.returncode, said) == (0, "")
    assert [line for line in rest.splitlines() if line.startswith("job/sum ") and "completed" in line]


def test_an_interrupt_ends_the_watch_and_nothing_else(running, mlgit_process):
    watching = mlgit_process(*WATCH, cwd=running.folder)
    next(line for line in watching.stdout if line.startswith("job/sum "))
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=30)
    assert (watching.returncode, said) == (130, "")
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
    assert b"\x1b[1A" in drawn  # up again
    running.let_it_end()
    while chunk := _rest(ours):
        drawn += chunk
    assert watching.wait(30) == 0
    assert b"completed" in drawn
    os.close(ours)


def _rest(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


def test_what_runs_and_what_waits_for_it_is_said(running, mlgit):
    said = mlgit("status", cwd=running.folder).out
    waiting = said.partition("Waiting:\n")[2]
    assert "  job/sum: run sum-" in waiting
    assert "  model/total: waits for job/sum" in waiting


def test_a_run_that_ended_and_is_not_recorded_yet_is_said_with_what_follows(running, mlgit, listed):
    running.let_it_end()
    until(lambda: {each["address"]: each for each in listed(running.folder, "status")}["job/sum"].get("unrecorded"))
    said = mlgit("status", cwd=running.folder).out.partition("Ended, not recorded yet:\n")[2]
    assert re.match(r"  job/sum: run sum-\w+ completed; `mlgit apply` records that, then comes model/total\n", said)
    assert mlgit(*APPLY, cwd=running.folder).code == 0
    assert "not recorded" not in mlgit("status", cwd=running.folder).out


def test_the_files_may_be_wrong_meanwhile(running, mlgit):
    edit(running.folder, "jobs/sum.yml", "environment:", "enviroment:")
    commit(running.folder)
    ended = mlgit("status", cwd=running.folder)
    assert (ended.code, ended.err) == (0, "")
    assert "Waiting:" not in ended.out
