"""archive and restore: what no file declares is taken out of use by hand, and brought back."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit, git

DO = "--auto-approve"


@pytest.fixture
def versions(applied, mlgit):
    """Give data/numbers a second version, and take away what refers to it."""
    git(applied, "rm", "--quiet", "jobs/sum.yml", "models/total.yml")
    edit(applied, "data/numbers.csv", "3\n", "3\n4\n")
    commit(applied)
    ended = mlgit(*APPLY, "--allow-mass-delete", cwd=applied)
    assert ended.code == 0, ended.err
    return applied


def remove(folder, name):
    """Take a file out of Git without applying that."""
    git(folder, "rm", "--quiet", name)
    commit(folder)


def shown(mlgit, folder, address):
    ended = mlgit("show", address, "--format", "json", cwd=folder)
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    return found["version"], found["archived"]


def test_what_a_file_declares_is_not_archived_by_hand(applied, mlgit, golden):
    refused = mlgit("archive", "model/total", DO, cwd=applied)
    assert refused.code == 1
    golden("cli/history/archive-declared.txt", refused.err)
    git(applied, "rm", "--quiet", "models/total.yml")  # of the work tree alone
    assert "[still-declared]" in mlgit("archive", "model/total", DO, cwd=applied).err


def test_an_asset_is_archived_and_restored(applied, mlgit, golden):
    remove(applied, "models/total.yml")
    before = shown(mlgit, applied, "model/total")
    archived = mlgit("archive", "model/total", DO, cwd=applied)
    assert archived.code == 0, archived.err
    assert "model/total" not in mlgit("list", cwd=applied).out
    assert "model/total        1 (archived)" in mlgit("list", "--archived", cwd=applied).out
    assert mlgit("plan", cwd=applied).out.startswith("No changes")
    restored = mlgit("restore", "model/total", DO, cwd=applied)
    assert restored.code == 0, restored.err
    assert shown(mlgit, applied, "model/total") == before == ("1", False)
    golden("cli/history/archive.txt", archived.out + restored.out)
    assert "archive model/total" in mlgit("plan", cwd=applied).out.replace(
        "model/total: archive", "archive model/total"
    )


def test_what_was_done_by_hand_stands_in_the_history(applied, mlgit, golden):
    remove(applied, "models/total.yml")
    assert mlgit("archive", "model/total", DO, cwd=applied).code == 0
    golden("cli/history/log-of-archive.txt", mlgit("log", "model/total", "-n", "1", cwd=applied).out)


def test_latest_passes_over_archived_versions(versions, mlgit):
    remove(versions, "data/numbers.yml")
    ended = mlgit("archive", "data/numbers@2", DO, cwd=versions)
    assert ended.code == 0, ended.err
    assert "data/numbers@latest will be version 1" in ended.out
    assert shown(mlgit, versions, "data/numbers") == ("1", False)
    assert shown(mlgit, versions, "data/numbers@2") == ("2", True)
    assert mlgit("restore", "data/numbers@2", DO, cwd=versions).code == 0
    assert shown(mlgit, versions, "data/numbers") == ("2", False)


def test_with_its_last_version_the_address_is_archived_and_restored(versions, mlgit):
    remove(versions, "data/numbers.yml")
    for version in ("1", "2"):
        assert mlgit("archive", f"data/numbers@{version}", DO, cwd=versions).code == 0
    assert shown(mlgit, versions, "data/numbers") == ("2", True)
    assert mlgit("restore", "data/numbers", DO, cwd=versions).code == 0
    assert shown(mlgit, versions, "data/numbers") == ("2", False)
    assert shown(mlgit, versions, "data/numbers@1") == ("1", True)


def test_an_older_version_can_be_archived_though_a_file_declares_the_asset(versions, mlgit):
    assert mlgit("archive", "data/numbers@1", DO, cwd=versions).code == 0
    assert shown(mlgit, versions, "data/numbers@1") == ("1", True)
    assert shown(mlgit, versions, "data/numbers") == ("2", False)
    assert mlgit("plan", cwd=versions).out.startswith("No changes")
    assert mlgit("restore", "data/numbers@1", DO, cwd=versions).code == 0
    assert shown(mlgit, versions, "data/numbers") == ("2", False)


def test_a_version_that_was_archived_keeps_its_number(versions, mlgit):
    remove(versions, "data/numbers.yml")
    assert mlgit("archive", "data/numbers@2", DO, cwd=versions).code == 0
    git(versions, "revert", "--no-edit", "HEAD")
    edit(versions, "data/numbers.csv", "4\n", "5\n")
    commit(versions)
    assert mlgit(*APPLY, cwd=versions).code == 0
    assert shown(mlgit, versions, "data/numbers") == ("3", False)


def test_an_archived_version_that_is_declared_again_is_restored(versions, mlgit):
    assert mlgit("archive", "data/numbers@1", DO, cwd=versions).code == 0
    edit(versions, "data/numbers.csv", "4\n", "")
    edit(versions, "data/numbers.yml", "name: numbers\n", 'name: numbers\nversion: "1"\n')
    commit(versions)
    assert mlgit(*APPLY, cwd=versions).code == 0
    for address in ("data/numbers", "data/numbers@1"):
        assert shown(mlgit, versions, address) == ("1", False)


REFUSED = {
    "not-archived": ("restore", "data/numbers"),
    "version-unknown": ("archive", "data/numbers@7"),
    "not-archivable": ("archive", "workspace/small"),
    "address-unknown": ("archive", "data/numbrs"),
}


@pytest.mark.parametrize("code", REFUSED)
def test_what_cannot_be_done_is_refused_with_the_reason(code, applied, mlgit):
    refused = mlgit(*REFUSED[code], DO, cwd=applied)
    assert (refused.code, refused.out) == (1, "")
    assert f"[{code}]" in refused.err
    assert "help: " in refused.err


def test_a_run_is_not_a_version_to_archive(applied, mlgit):
    assert "[not-archivable]" in mlgit("archive", "job/sum@sum-00000000", DO, cwd=applied).err


def test_nothing_is_archived_twice(applied, mlgit):
    remove(applied, "models/total.yml")
    assert mlgit("archive", "model/total", DO, cwd=applied).code == 0
    assert "[archived-already]" in mlgit("archive", "model/total", DO, cwd=applied).err
    assert "[address-archived]" in mlgit("restore", "model/total@7", DO, cwd=applied).err


def test_who_refers_to_it_is_said(applied, mlgit):
    remove(applied, "data/numbers.yml")
    ended = mlgit("archive", "data/numbers", DO, "--format", "json", cwd=applied)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["notes"] == ["job/sum refers to it; the reference will not resolve"]


def test_archive_asks_first(applied, mlgit):
    remove(applied, "models/total.yml")
    refused = mlgit("archive", "model/total", cwd=applied)
    assert (refused.code, "[approval-needed]" in refused.err) == (1, True)
    assert shown(mlgit, applied, "model/total") == ("1", False)
