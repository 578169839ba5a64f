"""A command that is ended by a signal while Git waits leaves no process of Git behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import commit, edit, git, until

pytestmark = pytest.mark.slow

SIGNALS = {signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGINT: 130}


def processes_that_name(text: str) -> list[str]:
    """Return the command lines of the processes of Git, and of what it started, that have a text."""
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:  # it has ended
            continue
        if text in command:
            commands.append(command)
    return commands


@pytest.fixture
def shared(small: Path) -> Path:
    """Let the small workspace have its live state on a remote."""
    edit(small, "mlgit.yml", "state: {name: small,", "state: {name: small, remote: origin,")
    commit(small)
    return small


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("scheme", ["git", "http"])
def test_a_signal_ends_git_that_waits_for_a_remote(shared, mlgit_process, scheme, number):
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        port = silent.getsockname()[1]
        git(shared, "remote", "add", "origin", f"{scheme}://127.0.0.1:{port}/repository.git")
        waiting = lambda: processes_that_name(f"127.0.0.1:{port}") or processes_that_name("fetch --progress")  # noqa: E731
        with mlgit_process("plan", cwd=shared) as command:
            silent.settimeout(120)
            connection, _ = silent.accept()  # Git waits from now on
            command.send_signal(number)
            _, err = command.communicate(timeout=120)
        connection.close()
    assert command.returncode == SIGNALS[number]
    assert "Traceback" not in err
    until(lambda: not waiting())


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_ends_a_helper_that_git_started_and_that_is_deaf_to_it(shared, mlgit_process, tmp_path, number):
    helper = tmp_path / "deaf-helper"
    helper.write_text(
        f"#!/bin/sh\ntrap '' TERM HUP INT\ntouch {tmp_path}/started\nsleep 300.0{tmp_path.stat().st_ino}\n"
    )
    helper.chmod(0o755)
    git(shared, "remote", "add", "origin", "ssh://127.0.0.1/repository.git")
    with mlgit_process("plan", cwd=shared, env={"GIT_SSH_COMMAND": str(helper)}) as command:
        until((tmp_path / "started").exists)
        command.send_signal(number)
        command.communicate(timeout=120)
    assert command.returncode == SIGNALS[number]
    until(lambda: not processes_that_name(str(helper)) and not processes_that_name(f"300.0{tmp_path.stat().st_ino}"))


def test_a_hang_up_that_is_ignored_ends_nothing(small):
    """`nohup mlgit ...` goes on when its terminal is closed."""
    ended = subprocess.run(
        [sys.executable, "-c", HUNG_UP], cwd=small, capture_output=True, text=True, check=False, timeout=180
    )
    assert ended.returncode == 0, ended.stderr
    assert "Plan: " in ended.stdout


HUNG_UP = """
import os, signal, sys, threading
from reconciler import cli
signal.signal(signal.SIGHUP, signal.SIG_IGN)
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGHUP)).start()
sys.argv = ["mlgit", "plan"]
cli.run_command_line()
"""
