"""mlgit apply: asks for approval, applies, and reports the result."""

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


def test_a_plan_after_an_apply_is_empty(small, mlgit):
    first = mlgit(*APPLY, cwd=small)
    assert first.code == 0, first.err
    assert "Applied 6 changes and recorded 1 run." in first.out
    second = mlgit("plan", "--detailed-exitcode", cwd=small)
    assert (second.code, second.out) == (0, "No changes. The live state is what Git declares.\n")


def test_apply_without_a_terminal_requires_auto_approve(small, mlgit, golden):
    ended = mlgit("apply", cwd=small)
    assert ended.code == 1
    golden("cli/errors/approval-needed.txt", ended.err)
    assert git(small, "for-each-ref", "refs/mlgit") == ""


# Makes standard input the controlling terminal, from which Ctrl-C comes, then executes another program.
WITH_CONTROLLING_TERMINAL = (
    "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


_LOST_INTERRUPT_SECONDS = 10


def apply_at_terminal(folder, answer):
    """Run apply at a pseudo-terminal and answer its prompt; return the exit code and the output."""
    primary, tty = pty.openpty()
    command = [sys.executable, "-c", WITH_CONTROLLING_TERMINAL, "-m", "reconciler", "apply"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(command, cwd=folder, stdin=tty, stdout=tty, stderr=tty, env=environment)
    os.close(tty)
    output = b""
    idle_seconds = 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([primary], [], [], 1)[0]:
            # Python misses a Ctrl-C that comes just before it reads; a second one while the first is handled kills it
            idle_seconds += 1
            repeats = answer != b"\x03" or idle_seconds == _LOST_INTERRUPT_SECONDS
            os.write(primary, answer if b"Apply this plan?" in output and repeats else b"")
            continue
        idle_seconds = 0
        try:
            chunk = os.read(primary, 4096)
        except OSError:  # Linux reports EIO when the other end is closed
            break
        if not chunk:
            break
        output += chunk
        if output.endswith(b"to approve: "):
            os.write(primary, answer)
    os.close(primary)
    return process.wait(120), output.decode()


def test_the_answer_yes_approves_the_plan(small, mlgit):
    code, output = apply_at_terminal(small, b"yes\n")
    assert code == 0, output
    assert "first run of job/sum" in output
    assert "Applied 5 changes." in output


@pytest.mark.parametrize("answer", [b"no\n", b"y\n", b"\n", b"\x03", b"\x04"])
def test_any_other_answer_changes_nothing(answer, small):
    code, output = apply_at_terminal(small, answer)
    assert code == (130 if answer in (b"\x03", b"\x04") else 1), output
    assert git(small, "for-each-ref", "refs/mlgit") == ""


def test_an_apply_without_actions_does_not_ask(applied, mlgit):
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


def test_a_deleted_asset_is_archived_and_live_again_when_its_file_returns(applied, mlgit):
    declaration = (applied / "models/total.yml").read_text()
    (applied / "models/total.yml").unlink()
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert "model/total" not in mlgit("list", cwd=applied).out
    assert "model/total" in mlgit("list", "--archived", cwd=applied).out
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")
    commit(applied, "back", {"models/total.yml": declaration})
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert "model/total" in mlgit("list", cwd=applied).out
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")


def test_every_action_is_in_the_history_of_the_live_state(applied, mlgit):
    log = mlgit("log", cwd=applied).out
    for action in ("create workspace/small", "new-version data/numbers@1", "submit job/sum", "register model/total@1"):
        assert action in log


def test_apply_does_not_change_branches_or_the_index(small, mlgit):
    before = git(small, "rev-parse", "HEAD"), git(small, "branch", "--list"), git(small, "stash", "list")
    assert mlgit(*APPLY, cwd=small).code == 0
    assert (git(small, "rev-parse", "HEAD"), git(small, "branch", "--list"), git(small, "stash", "list")) == before
    assert git(small, "status", "--porcelain") == ""
