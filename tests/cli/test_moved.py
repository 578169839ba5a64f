"""Renaming and protecting, from mlgit.yml to the live state and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from workspaces import APPLY, commit, edit


def say(folder: Path, lines: str) -> None:
    config = folder / "mlgit.yml"
    config.write_text(config.read_text(encoding="utf-8") + lines, encoding="utf-8")


@pytest.fixture
def renamed(applied):
    """Rename the data and the job of the small workspace, and say so."""
    edit(applied, "data/numbers.yml", "name: numbers", "name: figures")
    edit(applied, "jobs/sum.yml", "azureml:numbers@latest", "azureml:figures@latest")
    edit(applied, "jobs/sum.yml", "name: sum", "name: add")
    edit(applied, "models/total.yml", "jobs/sum/", "jobs/add/")
    say(applied, "moved:\n  - {from: data/numbers, to: data/figures}\n  - {from: job/sum, to: job/add}\n")
    commit(applied)
    return applied


def test_what_is_renamed_is_not_made_again(renamed, mlgit, golden):
    ended = mlgit(*APPLY, cwd=renamed)
    golden("cli/moved/apply.txt", ended.out)
    assert ended.code == 0, ended.err
    assert mlgit("plan", cwd=renamed).out.startswith("No changes.")


def test_what_it_was_is_found_under_the_new_name(renamed, mlgit):
    mlgit(*APPLY, cwd=renamed)
    assert mlgit("show", "data/figures@1", cwd=renamed).code == 0
    assert mlgit("job", "list", cwd=renamed).out.count("completed") == 1
    assert mlgit("job", "logs", "add", cwd=renamed).out.startswith("total")
    assert "archived" in mlgit("status", cwd=renamed).out


@pytest.mark.slow
def test_a_renamed_job_runs_on_and_keeps_its_older_runs(renamed, mlgit):
    mlgit(*APPLY, cwd=renamed)
    edit(renamed, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(renamed)
    assert mlgit(*APPLY, cwd=renamed).code == 0
    edit(renamed, "jobs/sum.yml", "factor: 3", "factor: 2")
    commit(renamed)
    planned = mlgit("plan", cwd=renamed).out
    assert "= job/add: adopt run sum-" in planned
    assert mlgit(*APPLY, cwd=renamed).code == 0
    assert mlgit("job", "list", "add", cwd=renamed).out.count("completed") == 2


def test_without_the_line_the_plan_suggests_it(renamed, mlgit):
    text = (renamed / "mlgit.yml").read_text(encoding="utf-8")
    (renamed / "mlgit.yml").write_text(text.partition("moved:")[0], encoding="utf-8")
    out = mlgit("plan", cwd=renamed).out
    assert "add moved: [{from: data/numbers, to: data/figures}] to mlgit.yml" in out


def test_what_is_protected_stays_when_its_line_leaves_together_with_it(applied, mlgit, golden):
    say(applied, "protect: [model/total]\n")
    commit(applied)
    protected = mlgit(*APPLY, cwd=applied)
    golden("cli/moved/protect.txt", protected.out)
    before = (applied / "mlgit.yml").read_text(encoding="utf-8")
    (applied / "mlgit.yml").write_text(before.partition("protect:")[0], encoding="utf-8")
    (applied / "models/total.yml").rename(applied / "total.kept")
    commit(applied)
    refused = mlgit("apply", "--auto-approve", cwd=applied)
    golden("cli/moved/protected.txt", refused.err)
    assert refused.code == 1
    (applied / "total.kept").rename(applied / "models/total.yml")
    commit(applied)
    assert mlgit("apply", "--auto-approve", cwd=applied).code == 0
    (applied / "models/total.yml").unlink()
    commit(applied)
    ended = mlgit("apply", "--auto-approve", cwd=applied)
    assert (ended.code, "archive because it is no longer in Git" in ended.out) == (0, True)
