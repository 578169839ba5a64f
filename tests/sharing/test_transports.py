"""A live state over each transport of Git: applied from one clone, read and applied from another."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, edit, git

pytestmark = [pytest.mark.slow, pytest.mark.services]


@pytest.fixture(params=["file", "ssh", "http"])
def remote_url(request, team, monkeypatch):
    """Return the URL of the remote for one transport."""
    if request.param == "file":
        return f"file://{team.origin}"
    service = request.getfixturevalue(f"git_over_{request.param}")
    git(team.origin, "config", "http.receivepack", "true")
    for name, value in service.environment().items():
        monkeypatch.setenv(name, value)
    return service.url(team.origin)


def test_assets_applied_from_one_clone_are_live_in_every_other_clone(remote_url, team, mlgit):
    git(team.first, "remote", "set-url", "origin", remote_url)
    applied = mlgit(*APPLY, cwd=team.first)
    assert applied.code == 0, applied.err
    other = team.clone("other", url=remote_url)
    plan = mlgit("plan", cwd=other)
    assert plan.out.startswith("No changes. "), plan.err
    for command in (["status"], ["log"], ["show", "model/total"], ["list"], ["job", "list"]):
        results = [mlgit(*command, "--format", "json", cwd=folder) for folder in (team.first, other)]
        assert [result.code for result in results] == [0, 0], results[1].err
        assert json.loads(results[0].out) == json.loads(results[1].out)
    assert team.executions() == 1
    assert team.lock_refs() == []
    edit(other, "data/numbers.csv", "3\n", "4\n")
    git(other, "commit", "--quiet", "--all", "-m", "another number")
    second = mlgit(*APPLY, cwd=other)
    assert second.code == 0, second.err
    assert team.executions() == 2
    assert (
        mlgit("log", "-n", "1", "--format", "json", cwd=team.first).out
        == mlgit("log", "-n", "1", "--format", "json", cwd=other).out
    )


def test_with_read_access_over_http_plan_works_and_apply_reports_the_missing_permission(
    team, git_over_http, mlgit, monkeypatch
):
    for name, value in git_over_http.environment().items():
        monkeypatch.setenv(name, value)
    assert mlgit(*APPLY, cwd=team.first).code == 0
    reader = team.clone("reader", url=git_over_http.url(team.origin, "reader"))
    assert mlgit("plan", cwd=reader).out.startswith("No changes. ")
    _check_apply_is_refused(team, reader, mlgit)


def test_with_read_access_over_ssh_plan_works_and_apply_reports_the_missing_permission(
    team, git_over_ssh, mlgit, monkeypatch
):
    assert mlgit(*APPLY, cwd=team.first).code == 0
    for name, value in git_over_ssh.environment("reader").items():
        monkeypatch.setenv(name, value)
    reader = team.clone("reader", url=git_over_ssh.url(team.origin))
    assert mlgit("plan", cwd=reader).out.startswith("No changes. ")
    ended = _check_apply_is_refused(team, reader, mlgit)
    assert "ERROR: this key is marked as read only" in ended.err


def _check_apply_is_refused(team, reader, mlgit):
    before = team.live()
    edit(reader, "data/numbers.csv", "3\n", "4\n")
    git(reader, "commit", "--quiet", "--all", "-m", "another number")
    assert mlgit("plan", "--detailed-exitcode", cwd=reader).code == 2
    ended = mlgit(*APPLY, cwd=reader)
    assert ended.code == 1
    assert "the remote origin does not let you write to it: " in ended.err
    assert "[remote-denied]" in ended.err
    assert team.live() == before
    assert team.lock_refs() == []
    assert team.executions() == 1
    return ended


def test_a_wrong_password_is_reported_and_never_printed(team, git_over_http, mlgit, monkeypatch):
    for name, value in git_over_http.environment().items():
        monkeypatch.setenv(name, value)
    git(team.first, "remote", "set-url", "origin", git_over_http.url(team.origin, "writer", "hunter2"))
    ended = mlgit("plan", cwd=team.first)
    assert ended.code == 1
    assert "the remote origin does not let you read from it" in ended.err
    assert "hunter2" not in ended.out + ended.err
