"""A live state behind each transport that Git has: applied from one clone, known to another."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, edit, git

pytestmark = [pytest.mark.slow, pytest.mark.services]


@pytest.fixture(params=["file", "ssh", "http"])
def reached(request, team, monkeypatch):
    """Give the address of the remote over one transport."""
    if request.param == "file":
        return f"file://{team.origin}"
    service = request.getfixturevalue(f"git_over_{request.param}")
    git(team.origin, "config", "http.receivepack", "true")
    for name, value in service.environment().items():
        monkeypatch.setenv(name, value)
    return service.url(team.origin)


def test_what_one_clone_applied_every_other_one_knows(reached, team, mlgit):
    git(team.first, "remote", "set-url", "origin", reached)
    applied = mlgit(*APPLY, cwd=team.first)
    assert applied.code == 0, applied.err
    other = team.clone("other", url=reached)
    plan = mlgit("plan", cwd=other)
    assert plan.out.startswith("No changes. "), plan.err
    for command in (["status"], ["log"], ["show", "model/total"], ["list"], ["job", "list"]):
        asked = [mlgit(*command, "--format", "json", cwd=folder) for folder in (team.first, other)]
        assert [result.code for result in asked] == [0, 0], asked[1].err
        assert json.loads(asked[0].out) == json.loads(asked[1].out)
    assert team.executions() == 1
    assert team.held() == []
    edit(other, "data/numbers.csv", "3\n", "4\n")
    git(other, "commit", "--quiet", "--all", "-m", "another number")
    again = mlgit(*APPLY, cwd=other)
    assert again.code == 0, again.err
    assert team.executions() == 2
    assert (
        mlgit("log", "-n", "1", "--format", "json", cwd=team.first).out
        == mlgit("log", "-n", "1", "--format", "json", cwd=other).out
    )


def test_who_may_only_read_over_http_can_plan_and_is_told_so_by_apply(team, git_over_http, mlgit, monkeypatch):
    for name, value in git_over_http.environment().items():
        monkeypatch.setenv(name, value)
    assert mlgit(*APPLY, cwd=team.first).code == 0
    reader = team.clone("reader", url=git_over_http.url(team.origin, "reader"))
    assert mlgit("plan", cwd=reader).out.startswith("No changes. ")
    _refused(team, reader, mlgit)


def test_who_may_only_read_over_ssh_can_plan_and_is_told_so_by_apply(team, git_over_ssh, mlgit, monkeypatch):
    assert mlgit(*APPLY, cwd=team.first).code == 0
    for name, value in git_over_ssh.environment("reader").items():
        monkeypatch.setenv(name, value)
    reader = team.clone("reader", url=git_over_ssh.url(team.origin))
    assert mlgit("plan", cwd=reader).out.startswith("No changes. ")
    ended = _refused(team, reader, mlgit)
    assert "ERROR: this key is marked as read only" in ended.err


def _refused(team, reader, mlgit):
    before = team.live()
    edit(reader, "data/numbers.csv", "3\n", "4\n")
    git(reader, "commit", "--quiet", "--all", "-m", "another number")
    assert mlgit("plan", "--detailed-exitcode", cwd=reader).code == 2
    ended = mlgit(*APPLY, cwd=reader)
    assert ended.code == 1
    assert "the remote origin does not let you write to it: " in ended.err
    assert "[remote-denied]" in ended.err
    assert team.live() == before
    assert team.held() == []
    assert team.executions() == 1
    return ended


def test_a_wrong_password_is_told_and_never_shown(team, git_over_http, mlgit, monkeypatch):
    for name, value in git_over_http.environment().items():
        monkeypatch.setenv(name, value)
    git(team.first, "remote", "set-url", "origin", git_over_http.url(team.origin, "writer", "hunter2"))
    ended = mlgit("plan", cwd=team.first)
    assert ended.code == 1
    assert "the remote origin does not let you read from it" in ended.err
    assert "hunter2" not in ended.out + ended.err
