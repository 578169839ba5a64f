"""A password in the address of a remote is never shown, however it is written."""

from __future__ import annotations

import re

import pytest
from workspaces import APPLY, git

pytestmark = pytest.mark.slow

PASSWORDS = [
    "hunter2",
    "hun/ter",
    "hun@ter",
    "hun#ter",
    "hun?ter",
    "12/hunter",
    "hun:ter@x/y",
    "hun%2Fter",
    "a/b@c#d?hunter",
]
ADDRESSES = ["http://ada:{}@127.0.0.1:9/repo.git", "https://ada:{}@127.0.0.1:9/r.git", "ssh://ada:{}@127.0.0.1:9/r.git"]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("address", ADDRESSES)
def test_no_message_shows_a_password_of_a_remote(without_job, mlgit, password, address):
    git(without_job.first, "remote", "set-url", "origin", address.format(password))
    for command in (("plan", "--format", "json"), APPLY[:2]):
        ended = mlgit(*command, cwd=without_job.first)
        assert ended.code in {0, 1}, ended.err
        printed = ended.out + ended.err
        assert password not in printed
        assert not re.search(r"\bhun(ter)?\b|\bter\b", printed), printed
        assert "origin" in printed


def test_no_command_shows_the_password_of_a_remote(without_job, mlgit):
    git(without_job.first, "remote", "set-url", "origin", ADDRESSES[0].format("hun/ter"))
    reads = [("plan",), ("status",), ("list",), ("log",), ("diff", "~1"), ("drift",), ("job", "list"), ("unlock",)]
    writes = [("state", "show"), ("state", "repair"), ("state", "restore"), ("rollback", "~1"), ("reconcile", "--once")]
    for command in (*reads, *writes, ("archive", "data/numbers"), ("import", "--all")):
        ended = mlgit(*command, cwd=without_job.first)
        assert ended.code in {0, 1}, ended.err
        assert not re.search(r"\bhun\b|\bter\b", ended.out + ended.err), command


@pytest.mark.parametrize("address", ["https://hunter2@127.0.0.1:9/repo.git", "http://hunter2:@127.0.0.1:9/repo.git"])
def test_no_message_shows_a_token_in_the_place_of_the_user(without_job, mlgit, address):
    git(without_job.first, "remote", "set-url", "origin", address)
    ended = mlgit("plan", cwd=without_job.first)
    assert "hunter2" not in ended.out + ended.err
