"""mlgit archive and mlgit restore: assets that no file declares, and older versions."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit, git

APPROVE = "--auto-approve"


@pytest.fixture
def versions(applied, mlgit):
    """Give data/numbers a second version, and remove the assets that refer to it."""
    git(applied, "rm", "--quiet", "jobs/sum.yml", "models/total.yml")
    edit(applied, "data/numbers.csv", "3\n", "3\n4\n")
    commit(applied)
    ended = mlgit(*APPLY, "--allow-mass-delete", cwd=applied)
    assert ended.code == 0, ended.err
    return applied


def remove(folder, name):
    """Remove a file from Git without applying the removal."""
    git(folder, "rm", "--quiet", name)
    commit(folder)


def version_and_archived(mlgit, folder, address):
    ended = mlgit("show", address, "--format", "json", cwd=folder)
    assert ended.code == 0, ended.err
    record = json.loads(ended.out)
    return record["version"], record["archived"]


def test_an_asset_that_a_file_declares_cannot_be_archived(applied, mlgit, golden):
    refused = mlgit("archive", "model/total", APPROVE, cwd=applied)
    assert refused.code == 1
    golden("cli/history/archive-declared.txt", refused.err)
    git(applied, "rm", "--quiet", "models/total.yml")  # in the work tree only
    assert "[still-declared]" in mlgit("archive", "model/total", APPROVE, cwd=applied).err


def test_an_asset_is_archived_and_restored(applied, mlgit, golden):
    remove(applied, "models/total.yml")
    before = version_and_archived(mlgit, applied, "model/total")
    archived = mlgit("archive", "model/total", APPROVE, cwd=applied)
    assert archived.code == 0, archived.err
    assert "model/total" not in mlgit("list", cwd=applied).out
    assert "model/total        1 (archived)" in mlgit("list", "--archived", cwd=applied).out
    assert mlgit("plan", cwd=applied).out.startswith("No changes")
    restored = mlgit("restore", "model/total", APPROVE, cwd=applied)
    assert restored.code == 0, restored.err
    assert version_and_archived(mlgit, applied, "model/total") == before == ("1", False)
    golden("cli/history/archive.txt", archived.out + restored.out)
    assert "archive model/total" in mlgit("plan", cwd=applied).out.replace(
        "model/total: archive", "archive model/total"
    )


def test_an_archive_is_in_the_history(applied, mlgit, golden):
    remove(applied, "models/total.yml")
    assert mlgit("archive", "model/total", APPROVE, cwd=applied).code == 0
    golden("cli/history/log-of-archive.txt", mlgit("log", "model/total", "-n", "1", cwd=applied).out)


def test_latest_ignores_archived_versions(versions, mlgit):
    remove(versions, "data/numbers.yml")
    ended = mlgit("archive", "data/numbers@2", APPROVE, cwd=versions)
    assert ended.code == 0, ended.err
    assert "data/numbers@latest will be version 1" in ended.out
    assert version_and_archived(mlgit, versions, "data/numbers") == ("1", False)
    assert version_and_archived(mlgit, versions, "data/numbers@2") == ("2", True)
    assert mlgit("restore", "data/numbers@2", APPROVE, cwd=versions).code == 0
    assert version_and_archived(mlgit, versions, "data/numbers") == ("2", False)


def test_archiving_the_last_version_archives_the_asset(versions, mlgit):
    remove(versions, "data/numbers.yml")
    for version in ("1", "2"):
        assert mlgit("archive", f"data/numbers@{version}", APPROVE, cwd=versions).code == 0
    assert version_and_archived(mlgit, versions, "data/numbers") == ("2", True)
    assert mlgit("restore", "data/numbers", APPROVE, cwd=versions).code == 0
    assert version_and_archived(mlgit, versions, "data/numbers") == ("2", False)
    assert version_and_archived(mlgit, versions, "data/numbers@1") == ("1", True)


def test_an_older_version_of_a_declared_asset_can_be_archived(versions, mlgit):
    assert mlgit("archive", "data/numbers@1", APPROVE, cwd=versions).code == 0
    assert version_and_archived(mlgit, versions, "data/numbers@1") == ("1", True)
    assert version_and_archived(mlgit, versions, "data/numbers") == ("2", False)
    assert mlgit("plan", cwd=versions).out.startswith("No changes")
    assert mlgit("restore", "data/numbers@1", APPROVE, cwd=versions).code == 0
    assert version_and_archived(mlgit, versions, "data/numbers") == ("2", False)


def test_the_number_of_an_archived_version_is_not_reused(versions, mlgit):
    remove(versions, "data/numbers.yml")
    assert mlgit("archive", "data/numbers@2", APPROVE, cwd=versions).code == 0
    git(versions, "revert", "--no-edit", "HEAD")
    edit(versions, "data/numbers.csv", "4\n", "5\n")
    commit(versions)
    assert mlgit(*APPLY, cwd=versions).code == 0
    assert version_and_archived(mlgit, versions, "data/numbers") == ("3", False)


def test_an_archived_version_that_is_declared_again_is_restored(versions, mlgit):
    assert mlgit("archive", "data/numbers@1", APPROVE, cwd=versions).code == 0
    edit(versions, "data/numbers.csv", "4\n", "")
    edit(versions, "data/numbers.yml", "name: numbers\n", 'name: numbers\nversion: "1"\n')
    commit(versions)
    assert mlgit(*APPLY, cwd=versions).code == 0
    for address in ("data/numbers", "data/numbers@1"):
        assert version_and_archived(mlgit, versions, address) == ("1", False)


REFUSED = {
    "not-archived": ("restore", "data/numbers"),
    "version-unknown": ("archive", "data/numbers@7"),
    "not-archivable": ("archive", "workspace/small"),
    "address-unknown": ("archive", "data/numbrs"),
}


@pytest.mark.parametrize("code", REFUSED)
def test_an_impossible_operation_is_refused_with_a_hint(code, applied, mlgit):
    refused = mlgit(*REFUSED[code], APPROVE, cwd=applied)
    assert (refused.code, refused.out) == (1, "")
    assert f"[{code}]" in refused.err
    assert "help: " in refused.err


def test_a_run_cannot_be_archived(applied, mlgit):
    assert "[not-archivable]" in mlgit("archive", "job/sum@sum-00000000", APPROVE, cwd=applied).err


def test_an_archived_asset_cannot_be_archived_again(applied, mlgit):
    remove(applied, "models/total.yml")
    assert mlgit("archive", "model/total", APPROVE, cwd=applied).code == 0
    assert "[archived-already]" in mlgit("archive", "model/total", APPROVE, cwd=applied).err
    assert "[address-archived]" in mlgit("restore", "model/total@7", APPROVE, cwd=applied).err


def test_references_to_an_archived_asset_are_noted(applied, mlgit):
    remove(applied, "data/numbers.yml")
    ended = mlgit("archive", "data/numbers", APPROVE, "--format", "json", cwd=applied)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["notes"] == ["job/sum refers to it; the reference will not resolve"]


def test_archive_requires_approval(applied, mlgit):
    remove(applied, "models/total.yml")
    refused = mlgit("archive", "model/total", cwd=applied)
    assert (refused.code, "[approval-needed]" in refused.err) == (1, True)
    assert version_and_archived(mlgit, applied, "model/total") == ("1", False)
