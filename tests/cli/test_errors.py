"""Errors that a plan or an apply finds before the first action: a message with a hint, exit code 1, no change."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, SMALL, commit, edit, git, write


def refs(folder):
    return git(folder, "for-each-ref", "--format=%(refname)", "refs/mlgit").splitlines()


def test_a_folder_outside_a_git_repository_is_refused(tmp_path, mlgit, golden):
    for command in ("validate", "plan", "apply", "status", "list", "log"):
        ended = mlgit(command, cwd=tmp_path)
        assert (ended.code, ended.out) == (1, "")
        golden("cli/errors/not-a-git-repository.txt", ended.err)


def test_a_repository_without_mlgit_yml_is_refused(tmp_path, mlgit, golden):
    git(tmp_path, "init", "--quiet")
    for command in ("validate", "plan", "apply", "status", "list", "log"):
        ended = mlgit(command, cwd=tmp_path)
        assert (ended.code, ended.out) == (1, "")
        golden("cli/errors/not-a-workspace.txt", ended.err)


def test_before_the_first_commit_plan_works_and_apply_is_refused(tmp_path, mlgit, golden):
    git(tmp_path, "init", "--quiet")
    write(tmp_path, SMALL)
    assert mlgit("plan", cwd=tmp_path).code == 0
    ended = mlgit(*APPLY, cwd=tmp_path)
    assert (ended.code, ended.out) == (1, "")
    golden("cli/errors/no-commit.txt", ended.err)
    assert refs(tmp_path) == []
    commit(tmp_path)
    assert mlgit(*APPLY, cwd=tmp_path).code == 0


def test_an_apply_of_a_dirty_work_tree_is_refused_and_registers_nothing(small, mlgit, golden):
    write(small, {"data/notes.txt": "not in Git yet\n"})
    ended = mlgit(*APPLY, cwd=small)
    assert (ended.code, ended.out) == (1, "")
    golden("cli/errors/work-tree-dirty.txt", ended.err)
    assert refs(small) == []
    commit(small)
    assert mlgit(*APPLY, cwd=small).code == 0


@pytest.mark.slow
def test_with_allow_dirty_the_work_tree_is_stored_as_the_commit_in_the_records(applied, mlgit):
    edit(applied, "data/numbers.csv", "3\n", "3\n4\n")
    head = git(applied, "rev-parse", "HEAD")
    assert mlgit(*APPLY, "--allow-dirty", cwd=applied).code == 0
    (numbers,) = json.loads(mlgit("list", "data", "--format", "json", cwd=applied).out)
    stored_commit = numbers["lineage"]["commit"]
    assert stored_commit != head
    assert git(applied, "show", f"{stored_commit}:data/numbers.csv") == "n\n1\n2\n3\n4"
    assert f"refs/mlgit/small/default/sources/{stored_commit}" in refs(applied)
    assert git(applied, "rev-parse", f"{stored_commit}^") == git(applied, "rev-parse", "HEAD") == head
    assert git(applied, "status", "--porcelain") == "M data/numbers.csv"
    (model,) = json.loads(mlgit("list", "model", "--format", "json", cwd=applied).out)
    assert model["lineage"]["commit"] == stored_commit
    commit(applied)
    assert "No changes." in mlgit("plan", cwd=applied).out


ERRORS = {
    "unknown-key": ("jobs/sum.yml", "environment:", "enviroment:"),
    "dangling-reference": ("jobs/sum.yml", "azureml:numbers@latest", "azureml:nubmers@latest"),
    "missing-file": ("data/numbers.yml", "numbers.csv", "number.csv"),
    "missing-output": ("models/total.yml", "outputs/total", "outputs/totals"),
    "missing-version": ("jobs/sum.yml", "azureml:numbers@latest", "azureml:numbers:7"),
    "undeclared-input": ("jobs/sum.yml", "${{inputs.factor}}", "${{inputs.facter}}"),
    "not-yaml": ("jobs/sum.yml", "name: sum", "name: [sum"),
    "unknown-key-of-mlgit": ("mlgit.yml", "store:", "storage:"),
    "unknown-backend": ("mlgit.yml", '"*": local', '"*": lokal'),
    "unknown-backend-type": ("mlgit.yml", "type: local", "type: lokal"),
    "unknown-builder": ("mlgit.yml", "store:", "builders: {venv: {type: venf}}\nstore:"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_in_a_file_is_reported_with_its_position_and_nothing_is_registered(name, small, mlgit, golden):
    edit(small, *ERRORS[name])
    commit(small)
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 1
    golden(f"cli/errors/{name}.txt", ended.err)
    assert refs(small) == []


def test_all_errors_are_reported_in_one_run(small, mlgit):
    for name in ("unknown-key", "missing-file"):
        edit(small, *ERRORS[name])
    output = mlgit("plan", cwd=small).err
    assert "jobs/sum.yml:" in output
    assert "data/numbers.yml:" in output


def test_apply_succeeds_once_the_error_is_corrected(small, mlgit):
    file, old, new = ERRORS["dangling-reference"]
    edit(small, file, old, new)
    commit(small)
    assert mlgit(*APPLY, cwd=small).code == 1
    edit(small, file, new, old)
    commit(small)
    assert mlgit(*APPLY, cwd=small).code == 0


def test_a_declared_version_with_other_content_is_refused(applied, mlgit, golden):
    edit(applied, "data/numbers.yml", "name:", 'version: "1"\nname:')
    assert "No changes." in mlgit("plan", cwd=applied).out
    edit(applied, "data/numbers.csv", "3\n", "3\n4\n")
    ended = mlgit("plan", cwd=applied)
    assert ended.code == 1
    golden("cli/errors/version-immutable.txt", ended.err)


def test_an_apply_that_would_start_too_many_runs_is_refused(small, mlgit, golden):
    edit(small, "mlgit.yml", "store:", "limits: {submit: 0}\nstore:")
    commit(small)
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 1
    golden("cli/errors/too-many-runs.txt", ended.err)
    assert refs(small) == []
    assert mlgit(*APPLY, "--allow-submit", "1", cwd=small).code == 0


def test_a_state_of_another_lineage_is_refused(applied, mlgit, golden):
    edit(applied, "mlgit.yml", "1" * 32, "2" * 32)
    commit(applied)
    for command in (("plan",), APPLY, ("status",)):
        ended = mlgit(*command, cwd=applied)
        assert ended.code == 1
        golden("cli/errors/state-foreign.txt", ended.err)
