"""A repository of another user is a diagnostic with the command that trusts it, for every command, and no traceback."""

from __future__ import annotations

import os
import shlex

import pytest
from workspaces import commit, git, write

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root may give a folder to another user")

COMMANDS = [
    *("plan", "plan --format json", "plan --format markdown", "validate", "validate --format github", "status"),
    *("apply --auto-approve", "apply --auto-approve --format json", "list", "list --declared", "show job/sum", "log"),
    *("diff ~1", "drift", "job list", "job show sum", "job rerun sum", "rollback ~1", "archive job/sum", "unlock"),
    *(
        "restore job/sum",
        "import --all",
        "state show",
        "state repair",
        "state restore",
        "reconcile --once",
        "init --here",
    ),
]


def give_away(folder):
    for path in (folder, *folder.rglob("*")):
        os.lchown(path, 4321, 4321)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_a_repository_of_another_user_says_how_to_trust_it(small, mlgit, command):
    give_away(small)
    ended = mlgit(*command.split(), cwd=small)
    assert ended.code == 1
    printed = ended.out + ended.err
    assert "repository-not-trusted" in printed
    assert f"git config --global --add safe.directory {small}`" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("command", ["validate .", "fmt", "schema job"])
def test_what_needs_no_repository_works_in_one_of_another_user(small, mlgit, command):
    give_away(small)
    assert mlgit(*command.split(), cwd=small).code == 0


def test_the_command_quotes_a_folder_with_spaces(small, mlgit, tmp_path):
    folder = small.rename(tmp_path / "a b's")
    give_away(folder)
    assert f"safe.directory {shlex.quote(str(folder))}`" in mlgit("plan", cwd=folder).err


@pytest.mark.parametrize("command", ["plan", "apply --auto-approve", "status", "reconcile --once"])
def test_a_remote_of_another_user_says_how_to_trust_it(small, mlgit, tmp_path, command, monkeypatch):
    monkeypatch.setenv("MLGIT_HOST", "here")
    settings = (small / "mlgit.yml").read_text().replace("state: {name: small,", "state: {name: small, remote: origin,")
    settings = settings.replace("path: .mlgit/store", "path: .mlgit/store, host: here").replace("{type: local}", "{}")
    write(
        small, {"mlgit.yml": settings.replace("backends: {local: {}}", "backends: {local: {type: local, host: here}}")}
    )
    commit(small)
    git(tmp_path, "clone", "--quiet", "--bare", str(small), "origin.git")
    git(small, "remote", "add", "origin", str(tmp_path / "origin.git"))
    give_away(tmp_path / "origin.git")
    ended = mlgit(*command.split(), cwd=small)
    assert ended.code == 1
    printed = ended.out + ended.err
    assert "[repository-not-trusted]" in printed
    assert f"git config --global --add safe.directory {tmp_path / 'origin.git'}`" in printed
