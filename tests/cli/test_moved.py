"""`moved:` and `protect:` in mlgit.yml: renamed and protected assets in plan, apply and the live state."""

from __future__ import annotations

from pathlib import Path

import pytest
from workspaces import APPLY, commit, edit


def append_to_config(folder: Path, lines: str) -> None:
    config = folder / "mlgit.yml"
    config.write_text(config.read_text(encoding="utf-8") + lines, encoding="utf-8")


@pytest.fixture
def renamed(applied):
    """Rename the data and the job of the small workspace, with `moved:` entries in mlgit.yml."""
    edit(applied, "data/numbers.yml", "name: numbers", "name: figures")
    edit(applied, "jobs/sum.yml", "azureml:numbers@latest", "azureml:figures@latest")
    edit(applied, "jobs/sum.yml", "name: sum", "name: add")
    edit(applied, "models/total.yml", "jobs/sum/", "jobs/add/")
    append_to_config(applied, "moved:\n  - {from: data/numbers, to: data/figures}\n  - {from: job/sum, to: job/add}\n")
    commit(applied)
    return applied


def test_renamed_assets_are_not_created_again(renamed, mlgit, golden):
    ended = mlgit(*APPLY, cwd=renamed)
    golden("cli/moved/apply.txt", ended.out)
    assert ended.code == 0, ended.err
    assert mlgit("plan", cwd=renamed).out.startswith("No changes.")


def test_versions_and_runs_are_listed_under_the_new_name(renamed, mlgit):
    mlgit(*APPLY, cwd=renamed)
    assert mlgit("show", "data/figures@1", cwd=renamed).code == 0
    assert mlgit("job", "list", cwd=renamed).out.count("completed") == 1
    assert mlgit("job", "logs", "add", cwd=renamed).out.startswith("total")
    assert "archived" in mlgit("status", cwd=renamed).out


@pytest.mark.slow
def test_a_renamed_job_keeps_its_older_runs_and_adopts_them(renamed, mlgit):
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


def test_a_plan_suggests_a_moved_entry_for_a_rename(renamed, mlgit):
    text = (renamed / "mlgit.yml").read_text(encoding="utf-8")
    (renamed / "mlgit.yml").write_text(text.partition("moved:")[0], encoding="utf-8")
    out = mlgit("plan", cwd=renamed).out
    assert "add moved: [{from: data/numbers, to: data/figures}] to mlgit.yml" in out


def test_an_asset_is_still_protected_if_its_protect_entry_and_its_file_are_removed_together(applied, mlgit, golden):
    append_to_config(applied, "protect: [model/total]\n")
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
