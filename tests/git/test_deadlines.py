"""Every Git process has a deadline: a remote that accepts a connection and never answers stops no command for ever."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspaces import APPLY, commit, edit, git, until

from reconciler.diagnostics import UserError
from reconciler.git import refs, remotes
from reconciler.git.command import run_git, start_git
from reconciler.git.process import LOCAL_TIMEOUT_VARIABLE, NETWORK_TIMEOUT_VARIABLE, end_group, timeout_seconds

pytestmark = [pytest.mark.slow, pytest.mark.services]

SCHEMES = ["git", "ssh", "http"]
SECONDS = "1.5"


@pytest.fixture
def silent() -> Iterator[int]:
    """Listen on a port, accept every connection, and never answer; return the port."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


@pytest.fixture(autouse=True)
def _short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NETWORK_TIMEOUT_VARIABLE, SECONDS)


def children_at(port: int) -> list[str]:
    """Return the command lines of the processes that talk to a port."""
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:  # it has ended
            continue
        if str(port) in command.split("127.0.0.1")[-1] and "127.0.0.1" in command:
            commands.append(command)
    return commands


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_fetch_and_a_push_end_and_leave_no_process(small, opened, silent, scheme):
    if scheme == "ssh" and shutil.which("ssh") is None:
        pytest.skip("there is no ssh here")
    git(small, "remote", "add", "origin", f"{scheme}://127.0.0.1:{silent}/repository.git")
    repository = opened(small)
    update = refs.RefUpdate("refs/mlgit/x", repository.head(), "")
    for work in (
        lambda: remotes.fetch_refs(repository, "origin", ["+refs/mlgit/*:refs/mlgit-remote/*"]),
        lambda: remotes.push_refs(repository, "origin", [update]),
    ):
        with pytest.raises(UserError) as raised:
            work()
        (diagnostic,) = raised.value.diagnostics
        assert diagnostic.code == "remote-timeout"
        assert f"did not answer for {SECONDS} seconds" in diagnostic.message
        assert NETWORK_TIMEOUT_VARIABLE in diagnostic.hint
        until(lambda: not children_at(silent))


@pytest.mark.parametrize("scheme", SCHEMES[:2])
def test_every_command_ends_if_the_remote_never_answers(small, mlgit, silent, scheme, monkeypatch):
    edit(small, "mlgit.yml", "state: {name: small,", "state: {name: small, remote: origin,")
    edit(small, "mlgit.yml", "store: {path: .mlgit/store}", "store: {path: .mlgit/store, host: here}")
    edit(small, "mlgit.yml", "{type: local}", "{type: local, host: here}")
    commit(small)
    monkeypatch.setenv("MLGIT_HOST", "here")
    git(small, "remote", "add", "origin", f"{scheme}://127.0.0.1:{silent}/repository.git")
    for command in (("plan",), ("status",), ("list",), ("log",), ("state", "show"), ("unlock",), APPLY):
        ended = mlgit(*command, cwd=small)
        assert ended.code == 1, command
        assert "[remote-timeout]" in ended.err, (command, ended.err)
    assert mlgit("reconcile", "--once", cwd=small).code == 1
    until(lambda: not children_at(silent))


def test_a_partial_clone_whose_remote_never_answers_ends_a_command(small, mlgit, silent, tmp_path, monkeypatch):
    monkeypatch.setenv(LOCAL_TIMEOUT_VARIABLE, SECONDS)
    git(small, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "--quiet", "--no-checkout", "--filter=blob:none", f"file://{small}", "partial")
    partial = tmp_path / "partial"
    git(partial, "checkout", "--quiet", "HEAD", "--", "mlgit.yml")
    git(partial, "remote", "set-url", "origin", f"git://127.0.0.1:{silent}/repository.git")
    ended = mlgit("plan", "--ref", "HEAD", cwd=partial)
    assert ended.code == 1
    assert "[git-timeout]" in ended.err
    until(lambda: not children_at(silent))


def test_a_local_command_that_does_not_end_is_ended(small, monkeypatch):
    monkeypatch.setenv(LOCAL_TIMEOUT_VARIABLE, "0.5")
    begin = time.monotonic()
    with pytest.raises(UserError, match=r"took longer than 0\.5 seconds"):
        run_git(["-c", "alias.wait=!sleep 300", "wait"], small)
    assert time.monotonic() - begin < 60


def test_the_end_of_a_process_is_that_of_all_it_started(small):
    process = start_git(["-c", "alias.wait=!trap '' TERM; sleep 300.0421 & sleep 300.0421", "wait"], small)
    waiting = lambda: [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"300.0421" in _read(path)]  # noqa: E731
    until(lambda: len(waiting()) > 1)
    with process:
        end_group(process)
    until(lambda: not waiting())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf", "1e9"])
def test_a_deadline_that_is_no_number_of_seconds_is_refused(monkeypatch, text):
    monkeypatch.setenv(NETWORK_TIMEOUT_VARIABLE, text)
    with pytest.raises(UserError, match=f"{NETWORK_TIMEOUT_VARIABLE} is {text}"):
        timeout_seconds(NETWORK_TIMEOUT_VARIABLE)
