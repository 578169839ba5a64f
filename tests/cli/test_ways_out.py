"""How mlgit ends when it is not asked for anything, asked wrongly, or interrupted."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest
from workspaces import git


def test_without_a_command_the_help_is_shown_and_nothing_was_done(small, mlgit):
    ended = mlgit(cwd=small)
    assert ended.code == 1
    assert ended.out == mlgit("--help", cwd=small).out
    assert ended.err == ""


def test_a_mistyped_command_is_answered_with_the_one_that_may_be_meant(small, mlgit):
    ended = mlgit("aply", cwd=small)
    assert ended.code == 1
    assert "error: there is no command aply; did you mean apply?" in ended.err


def read_until(terminal, wanted, seconds=30):
    """Read what is shown until it holds the text; the end of the terminal counts as its end."""
    output, deadline = b"", time.monotonic() + seconds
    while wanted not in output:
        ready = select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]
        assert ready, f"{wanted!r} was not shown: {output.decode()}"
        output += os.read(terminal, 4096)
    return output


def test_an_interrupt_at_the_question_changes_nothing_and_says_so(small):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "reconciler", "apply"]
    process = subprocess.Popen(command, cwd=small, stdin=theirs, stdout=theirs, stderr=theirs)
    try:
        read_until(ours, b"Type 'yes' to approve")
        process.send_signal(signal.SIGINT)
        while not select.select([ours], [], [], 2)[0]:  # one that comes just before the reading begins is not noticed
            process.send_signal(signal.SIGINT)
        answer = read_until(ours, b"changed\r\n")
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait()
        os.close(theirs)
        os.close(ours)
    assert answer.endswith(b"\r\ninterrupted; nothing was changed\r\n")
    assert b"\r\n\r\n" not in answer
    assert git(small, "for-each-ref", "refs/mlgit") == ""


@pytest.mark.parametrize("command", ["plan", "status"])
def test_a_clone_that_has_not_the_state_is_told_how_to_fetch_it(applied, mlgit, tmp_path, command):
    git(tmp_path, "clone", "--quiet", str(applied), "clone")
    fetch = "git fetch origin 'refs/mlgit/*:refs/mlgit/*'"
    assert fetch in mlgit(command, cwd=tmp_path / "clone").out
    git(tmp_path / "clone", "fetch", "--quiet", "origin", "refs/mlgit/*:refs/mlgit/*")
    assert fetch not in mlgit(command, cwd=tmp_path / "clone").out


@pytest.mark.parametrize("command", ["plan", "status"])
def test_a_repository_of_its_own_is_told_nothing_of_fetching(small, mlgit, command):
    assert "git fetch" not in mlgit(command, cwd=small).out


def test_without_git_on_the_path_the_command_says_what_to_install(small, mlgit, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = mlgit("status", cwd=small)
    assert ended.code == 1
    assert "the command git was not found [git-missing]" in ended.err
    assert "Traceback" not in ended.err


def test_a_repository_of_another_user_is_refused_with_the_command_that_trusts_it(small, mlgit, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # of Git itself: it takes every folder for another's
    for command in ("status", "plan", "apply"):
        ended = mlgit(command, cwd=small)
        assert ended.code == 1, ended.out
        assert "[repository-not-trusted]" in ended.err
        assert "git config --global --add safe.directory" in ended.err
        assert "Traceback" not in ended.err
