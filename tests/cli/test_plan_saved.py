"""A saved plan: applied exactly as it was made, or refused with the reason; shown from its file alone."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit, git, write

from reconciler.format.schemas import is_valid_for_schema

DESCRIBED = "description: what it is for\nname:"


@pytest.fixture
def saved(applied, mlgit):
    """Save the plan of a committed edit: a description of the model, and of the data."""
    for name in ("models/total.yml", "data/numbers.yml"):
        edit(applied, name, "name:", DESCRIBED)
    commit(applied)
    assert mlgit("plan", "-o", "plan.json", cwd=applied).code == 0
    git(applied, "update-index", "--refresh")
    return applied


def state(folder):
    return git(folder, "rev-parse", "refs/mlgit/small/default/live")


def test_a_plan_file_matches_the_published_schema(saved, mlgit, golden):
    whole = json.loads((saved / "plan.json").read_text())
    assert is_valid_for_schema(whole, "plan")
    golden("cli/saved/plan.json", (saved / "plan.json").read_text())
    schema = mlgit("schema", "plan", cwd=saved)
    assert json.loads(schema.out)["title"] == "Saved plan"


def test_the_body_of_a_plan_is_deterministic(saved, mlgit):
    assert mlgit("plan", "-o", "again.json", "--ref", "HEAD", cwd=saved).code == 0
    first, second = (json.loads((saved / name).read_text()) for name in ("plan.json", "again.json"))
    assert first["envelope"]["digest"] == second["envelope"]["digest"]
    assert first["body"]["actions"] == second["body"]["actions"]


def test_show_prints_a_saved_plan_from_its_file_alone(saved, mlgit, golden, monkeypatch, tmp_path):
    planned = mlgit("plan", "--ref", "HEAD", cwd=saved).out.removesuffix("\nApply this with `mlgit apply`.\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "plan.json").write_text((saved / "plan.json").read_text())
    output = mlgit("show", "plan.json", cwd=elsewhere)
    assert output.out.startswith(planned)
    golden("cli/saved/show.txt", output.out)
    whole = mlgit("show", "plan.json", "--format", "json", cwd=elsewhere).out
    assert whole == (saved / "plan.json").read_text()


def test_a_saved_plan_is_applied_without_approval(saved, mlgit, golden):
    ended = mlgit("apply", "plan.json", cwd=saved)
    golden("cli/saved/apply.txt", ended.out)
    assert ended.code == 0
    digest = json.loads((saved / "plan.json").read_text())["envelope"]["digest"]
    assert f"plan: {digest}" in git(saved, "log", "-1", "--format=%B", "refs/mlgit/small/default/live")
    (saved / "plan.json").unlink()
    assert mlgit("plan", "--detailed-exitcode", cwd=saved).code == 0


def test_an_applied_plan_is_stale_and_the_changed_records_are_named(saved, mlgit):
    assert mlgit("apply", "plan.json", cwd=saved).code == 0
    before = state(saved)
    again = mlgit("apply", "plan.json", cwd=saved)
    assert again.code == 1
    assert "[plan-stale]" in again.err
    assert "data/numbers (version 1) was changed; model/total (version 1) was changed" in again.err
    assert state(saved) == before


def test_a_change_of_other_records_does_not_make_a_plan_stale(saved, mlgit):
    assert mlgit("plan", "--select", "data", "-o", "plan.json", cwd=saved).code == 0
    before = state(saved)
    assert mlgit("apply", "--auto-approve", "--select", "model", cwd=saved).code == 0
    assert state(saved) != before
    assert mlgit("apply", "plan.json", cwd=saved).code == 0


def test_the_plan_file_is_not_part_of_the_next_plan(saved, mlgit):
    first = json.loads((saved / "plan.json").read_text())
    assert mlgit("plan", "-o", "plan.json", cwd=saved).code == 0
    second = json.loads((saved / "plan.json").read_text())
    assert (first["body"], first["envelope"]["dirty"]) == (second["body"], second["envelope"]["dirty"])
    assert second["envelope"]["dirty"] is False


def test_only_the_decisions_of_the_saved_plan_are_made(saved, mlgit):
    assert mlgit("plan", "--ref", "HEAD", "--select", "data", "-o", "part.json", cwd=saved).code == 0
    ended = mlgit("apply", "part.json", cwd=saved)
    assert ended.code == 0
    assert "data/numbers@1: update in place" in ended.out
    assert "✓ model/total" not in ended.out
    assert "model/total@1: update in place" in mlgit("plan", "--ref", "HEAD", cwd=saved).out


def test_an_edited_plan_is_refused(saved, mlgit):
    edit(saved, "plan.json", '"changes": 2', '"changes": 3')
    ended = mlgit("apply", "plan.json", cwd=saved)
    assert (ended.code, "[plan-edited]" in ended.err) == (1, True)
    assert "[plan-edited]" in mlgit("show", "plan.json", cwd=saved).err


def test_a_plan_of_uncommitted_files_is_applied_once_they_are_committed(applied, mlgit):
    edit(applied, "models/total.yml", "name:", DESCRIBED)
    write(applied, {".gitignore": "/.mlgit/\n/plan.json\n"})
    assert mlgit("plan", "-o", "plan.json", cwd=applied).code == 0
    assert json.loads((applied / "plan.json").read_text())["envelope"]["dirty"] is True
    refused = mlgit("apply", "plan.json", cwd=applied)
    assert (refused.code, "[plan-dirty]" in refused.err) == (1, True)
    assert "(uncommitted now: .gitignore, models/total.yml)" in refused.err
    commit(applied)
    assert mlgit("apply", "plan.json", cwd=applied).code == 0


def test_uncommitted_files_are_named(applied, mlgit):
    write(applied, {"data/0.txt": "1\n"})
    saved = mlgit("plan", "-o", "plan.json", cwd=applied)
    assert "Commit the files unchanged (data/0.txt), then apply" in saved.out
    write(applied, {f"data/{number}.txt": "1\n" for number in range(5)})
    refused = mlgit("apply", "--auto-approve", cwd=applied)
    assert "uncommitted changes: data/0.txt, data/1.txt, data/2.txt and 2 more" in refused.err
    assert "[work-tree-dirty]" in refused.err


def test_a_plan_of_another_workspace_is_refused(saved, mlgit):
    edit(saved, "mlgit.yml", "name: small", "name: other")
    git(saved, "commit", "--quiet", "--amend", "--all", "-m", "other")
    whole = json.loads((saved / "plan.json").read_text())
    whole["envelope"]["commit"] = git(saved, "rev-parse", "HEAD")
    (saved / "plan.json").write_text(json.dumps(whole))
    assert "[plan-foreign]" in mlgit("apply", "plan.json", cwd=saved).err


def test_a_saved_plan_takes_no_planning_options(saved, mlgit):
    ended = mlgit("apply", "plan.json", "--select", "data", cwd=saved)
    assert ended.code == 1
    assert "pass them to `mlgit plan -o`" in ended.err


@pytest.mark.parametrize("verb", ["apply", "show"])
def test_a_missing_or_invalid_plan_file_is_a_user_error(small, mlgit, verb):
    assert "[plan-file]" in mlgit(verb, "none.json", cwd=small).err
    write(small, {"none.json": "{}"})
    assert "none.json:1:1" in mlgit(verb, "none.json", cwd=small).err


def test_an_unwritable_plan_file_is_a_user_error(small, mlgit):
    ended = mlgit("plan", "-o", "nowhere/plan.json", cwd=small)
    assert (ended.code, "[plan-not-written]" in ended.err) == (1, True)


@pytest.mark.slow
def test_a_saved_plan_of_everything_runs_the_job(small, mlgit):
    assert mlgit("plan", "--ref", "HEAD", "-o", "plan.json", cwd=small).code == 0
    ended = mlgit("apply", "plan.json", "--wait", cwd=small)
    assert ended.code == 0, ended.err
    (small / "plan.json").unlink()
    assert mlgit("plan", "--detailed-exitcode", cwd=small).code == 0
    assert mlgit(*APPLY, cwd=small).out.startswith("No changes.")


def test_a_plan_is_not_saved_to_a_file_without_a_name(small, mlgit):
    ended = mlgit("plan", "-o", "", cwd=small)
    assert ended.code == 1
    assert "the name of the file is empty" in ended.err
    assert not (small / small.name).exists()
