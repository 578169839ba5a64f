"""mlgit apply: asks, acts, and says how it went."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

import pytest
from workspaces import APPLY, commit, edit, git

pytestmark = pytest.mark.slow


def test_a_second_plan_is_empty(small, mlgit):
    first = mlgit(*APPLY, cwd=small)
    assert first.code == 0, first.err
    assert "Applied 6 changes and recorded 1 run." in first.out
    second = mlgit("plan", "--detailed-exitcode", cwd=small)
    assert (second.code, second.out) == (0, "No changes. The live state is what Git declares.\n")


def test_nobody_there_to_approve_is_a_refusal(small, mlgit, golden):
    ended = mlgit("apply", cwd=small)
    assert ended.code == 1
    golden("cli/faults/approval-needed.txt", ended.err)
    assert git(small, "for-each-ref", "refs/mlgit") == ""


# Takes standard input for the terminal from which Ctrl-C comes, then becomes another program.
AT_ITS_TERMINAL = (
    "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


def at_a_terminal(folder, answer):
    """Run apply at a terminal of its own and answer its question; give the exit code and what was shown."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", AT_ITS_TERMINAL, "-m", "reconciler", "apply"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 1)[0]:
            os.write(ours, answer if b"Apply this?" in shown else b"")  # it came before anybody listened
            continue
        try:
            piece = os.read(ours, 4096)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        shown += piece
        if shown.endswith(b"for an answer: "):
            os.write(ours, answer)
    os.close(ours)
    return process.wait(30), shown.decode()


def test_yes_is_taken_for_yes(small, mlgit):
    code, shown = at_a_terminal(small, b"yes\n")
    assert code == 0, shown
    assert "first run of job/sum" in shown
    assert "Applied 5 changes." in shown


@pytest.mark.parametrize("answer", [b"no\n", b"y\n", b"\n", b"\x03", b"\x04"])
def test_anything_else_is_taken_for_no_and_changes_nothing(answer, small):
    code, shown = at_a_terminal(small, answer)
    assert code == (130 if answer in (b"\x03", b"\x04") else 1), shown
    assert git(small, "for-each-ref", "refs/mlgit") == ""


def test_an_apply_with_nothing_to_do_asks_nothing(applied, mlgit):
    ended = mlgit("apply", cwd=applied)
    assert (ended.code, ended.out) == (0, "No changes. The live state is what Git declares.\n")


def test_a_description_is_updated_in_place(applied, mlgit, golden):
    edit(applied, "models/total.yml", "name:", "description: the sum\nname:")
    commit(applied)
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 0
    golden("cli/apply-update.txt", ended.out)
    assert "description: the sum" in mlgit("show", "model/total", cwd=applied).out
    assert "version: 1\n" in mlgit("show", "model/total", cwd=applied).out
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")


def test_what_leaves_git_is_archived_and_what_comes_back_is_live_again(applied, mlgit):
    text = (applied / "models/total.yml").read_text()
    (applied / "models/total.yml").unlink()
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert "model/total" not in mlgit("list", cwd=applied).out
    assert "model/total" in mlgit("list", "--archived", cwd=applied).out
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")
    commit(applied, "back", {"models/total.yml": text})
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert "model/total" in mlgit("list", cwd=applied).out
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")


def test_every_action_is_in_the_history_of_the_live_state(applied, mlgit):
    log = mlgit("log", cwd=applied).out
    for action in ("create workspace/small", "new-version data/numbers@1", "submit job/sum", "register model/total@1"):
        assert action in log


def test_the_branch_and_the_index_of_the_user_are_left_alone(small, mlgit):
    before = git(small, "rev-parse", "HEAD"), git(small, "branch", "--list"), git(small, "stash", "list")
    assert mlgit(*APPLY, cwd=small).code == 0
    assert (git(small, "rev-parse", "HEAD"), git(small, "branch", "--list"), git(small, "stash", "list")) == before
    assert git(small, "status", "--porcelain") == ""
