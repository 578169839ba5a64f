"""Exit codes and messages without a command, with a mistyped one, on an interrupt, and without Git or access to it."""

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


def test_without_a_command_the_help_is_printed_and_the_exit_code_is_1(small, mlgit):
    ended = mlgit(cwd=small)
    assert ended.code == 1
    assert ended.out == mlgit("--help", cwd=small).out
    assert ended.err == ""


def test_a_mistyped_command_is_answered_with_a_suggestion(small, mlgit):
    ended = mlgit("aply", cwd=small)
    assert ended.code == 1
    assert "error: there is no command aply; did you mean apply?" in ended.err


def read_until(terminal, text, seconds=120):
    """Read the output of a terminal until it has the text."""
    output, deadline = b"", time.monotonic() + seconds
    while text not in output:
        ready = select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]
        assert ready, f"{text!r} was not shown: {output.decode()}"
        output += os.read(terminal, 4096)
    return output


def test_an_interrupt_at_the_approval_changes_nothing_and_is_reported(small):
    terminal, child_terminal = pty.openpty()
    command = [sys.executable, "-m", "reconciler", "apply"]
    process = subprocess.Popen(command, cwd=small, stdin=child_terminal, stdout=child_terminal, stderr=child_terminal)
    try:
        read_until(terminal, b"Type 'yes' to approve")
        process.send_signal(signal.SIGINT)
        while not select.select([terminal], [], [], 10)[0]:  # an interrupt before the prompt reads is lost
            process.send_signal(signal.SIGINT)
        answer = read_until(terminal, b"changed\r\n")
        assert process.wait(120) == 130
    finally:
        process.kill()
        process.wait()
        os.close(child_terminal)
        os.close(terminal)
    assert answer.endswith(b"\r\ninterrupted; nothing was changed\r\n")
    assert b"\r\n\r\n" not in answer
    assert git(small, "for-each-ref", "refs/mlgit") == ""


@pytest.mark.parametrize("command", ["plan", "status"])
def test_a_clone_without_the_live_state_gets_the_command_that_fetches_it(applied, mlgit, tmp_path, command):
    git(tmp_path, "clone", "--quiet", str(applied), "clone")
    fetch = "git fetch origin 'refs/mlgit/*:refs/mlgit/*'"
    assert fetch in mlgit(command, cwd=tmp_path / "clone").out
    git(tmp_path / "clone", "fetch", "--quiet", "origin", "refs/mlgit/*:refs/mlgit/*")
    assert fetch not in mlgit(command, cwd=tmp_path / "clone").out


@pytest.mark.parametrize("command", ["plan", "status"])
def test_a_repository_without_a_remote_gets_no_hint_to_fetch(small, mlgit, command):
    assert "git fetch" not in mlgit(command, cwd=small).out


def test_without_git_on_the_path_the_message_names_what_to_install(small, mlgit, monkeypatch, tmp_path):
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
