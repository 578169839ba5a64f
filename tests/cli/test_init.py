"""mlgit init: create a workspace that can be planned, in a new repository or the surrounding one."""

from __future__ import annotations

import pytest
from workspaces import git


def lineage(folder):
    return next(line for line in (folder / "mlgit.yml").read_text().splitlines() if "lineage:" in line)


def test_a_new_workspace_is_committed_valid_and_planned(tmp_path, mlgit, golden):
    result = mlgit("init", "iris-demo", cwd=tmp_path)
    assert result.code == 0
    golden("cli/init.txt", result.out)
    folder = tmp_path / "iris-demo"
    assert git(folder, "status", "--porcelain") == ""
    assert git(folder, "log", "--format=%s") == "Start the workspace iris-demo"
    assert "name: iris-demo" in (folder / "workspace.yml").read_text()
    assert mlgit("validate", cwd=folder).code == 0
    golden("cli/init-plan.txt", mlgit("plan", cwd=folder).out)


def test_two_workspaces_have_different_lineages(tmp_path, mlgit):
    for name in ("one-demo", "two-demo"):
        assert mlgit("init", name, cwd=tmp_path).code == 0
    assert lineage(tmp_path / "one-demo") != lineage(tmp_path / "two-demo")
    assert "0" * 32 not in lineage(tmp_path / "one-demo")


def test_a_folder_name_with_a_space_is_quoted_for_the_shell(tmp_path, mlgit):
    assert "\n  cd 'bad name!'\n" in mlgit("init", "bad name!", cwd=tmp_path).out


def test_an_existing_empty_folder_can_be_used(tmp_path, mlgit):
    (tmp_path / "empty").mkdir()
    assert mlgit("init", "empty", cwd=tmp_path).code == 0
    assert mlgit("init", ".", "--name", "other-name", cwd=(tmp_path / "empty")).code == 1


def test_a_folder_that_is_not_empty_is_refused_and_unchanged(tmp_path, mlgit, golden):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("the only copy")
    result = mlgit("init", "full", cwd=tmp_path)
    assert (result.code, result.out) == (1, "")
    golden("cli/errors/folder-not-empty.txt", result.err)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("name", ["Iris", "-x", "ab", "a" * 34, "my workspace"])
def test_a_name_that_azure_ml_does_not_accept_is_refused(name, tmp_path, mlgit):
    result = mlgit("init", "demo", f"--name={name}", cwd=tmp_path)
    assert (result.code, result.out) == (1, "")
    assert f"{name} cannot be the name of a workspace" in result.err
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("folder", ["Iris Demo", "x", "ÄÖÜ", "a" * 60])
def test_a_workspace_in_a_folder_with_any_name_is_valid(folder, tmp_path, mlgit):
    assert mlgit("init", folder, cwd=tmp_path).code == 0
    assert mlgit("validate", cwd=tmp_path / folder).code == 0


def test_inside_a_repository_nothing_is_committed(tmp_path, mlgit, golden):
    git(tmp_path, "init", "--quiet")
    result = mlgit("init", "ml/demo", cwd=tmp_path)
    assert result.code == 0
    golden("cli/init-inside.txt", result.out)
    assert not (tmp_path / "ml/demo/.git").exists()
    assert git(tmp_path, "status", "--porcelain") == "?? ml/"
    assert mlgit("plan", cwd=tmp_path / "ml/demo").code == 0
