"""Without the extra, mlgit github says how to install it; all else works."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture
def without_client_library(monkeypatch):
    """Hide PyGithub, and what was imported with it."""
    for name in [*sys.modules]:
        if name.partition(".")[0] == "github" or name.startswith(("reconciler.github", "reconciler.cli._github")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "github", None)


def test_the_command_says_what_to_install(mlgit, without_client_library, tmp_path):
    ended = mlgit("github", "comment", ".", cwd=tmp_path)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "error: the commands of `mlgit github` need PyGithub, which is not installed [github-not-installed]\n"
        "  help: run `pip install 'mlgit[github]'`\n"
    )


def test_the_help_of_the_group_needs_no_client_library(mlgit, without_client_library, tmp_path):
    ended = mlgit("github", "--help", cwd=tmp_path)
    assert ended.code == 0
    assert "reviewed" in ended.out
