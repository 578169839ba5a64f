"""mlgit plan: what apply would do, as text and as JSON; it changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from workspaces import APPLY, commit, edit, git


def test_the_first_plan_lists_every_asset(small, mlgit, golden):
    golden("cli/plan.txt", mlgit("plan", cwd=small).out)


def test_the_detailed_exit_code_is_2_if_there_are_changes(small, mlgit):
    assert mlgit("plan", cwd=small).code == 0
    assert mlgit("plan", "--detailed-exitcode", cwd=small).code == 2
    edit(small, "jobs/sum.yml", "environment:", "enviroment:")
    assert mlgit("plan", "--detailed-exitcode", cwd=small).code == 1


def test_the_detailed_exit_code_is_0_without_changes(applied, mlgit):
    assert mlgit("plan", "--detailed-exitcode", cwd=applied).code == 0


def test_a_job_that_reads_an_older_version_of_its_own_output_is_valid_and_runs_once(applied, mlgit):
    numbers = "{type: uri_file, path: azureml:numbers@latest}"
    edit(applied, "jobs/sum.yml", numbers, '{type: custom_model, path: "azureml:total:1"}')
    edit(applied, "src/sum.py", "pathlib.Path(numbers)", "(pathlib.Path(numbers) / 'total.txt')")
    commit(applied)
    assert mlgit("validate", cwd=applied).out == "5 files: fine.\n"
    assert mlgit(*APPLY, cwd=applied).code == 0
    for _ in range(2):  # a full plan, then an incremental one
        assert mlgit("plan", cwd=applied).out.startswith("No changes. ")
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(applied)
    assert mlgit("plan", cwd=applied).out.startswith("Plan: 2 changes, starts 1 run.")


def plan_made_event(out: str) -> dict[str, Any]:
    """Return the event with the plan from a stream of events."""
    (event,) = (event for event in map(json.loads, out.splitlines()) if event["type"] == "plan-made")
    return event


def test_the_same_git_and_state_give_the_same_plan_byte_for_byte(small, mlgit, golden):
    first, second = (plan_made_event(mlgit("plan", "--format", "json", cwd=small).out) for _ in range(2))
    assert json.dumps(first["body"]) == json.dumps(second["body"])
    assert first["digest"] == second["digest"]
    golden("cli/plan.json", json.dumps(first["body"], indent=2) + "\n")


def test_a_plan_as_json_has_the_sentences_of_the_text(applied, mlgit):
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    out = mlgit("plan", "--format", "json", cwd=applied).out
    submit, register = plan_made_event(out)["body"]["actions"]
    assert (submit["action"], submit["address"]) == ("submit", "job/sum")
    assert submit["changes"] == [{"field": "inputs.factor", "change": "changed", "before": 2, "after": 3}]
    assert submit["impact"] == [{"address": "model/total", "direct": True}]
    assert (register["action"], register["address"], register["known_after"]) == ("register", "model/total", "job/sum")
    assert submit["sentence"] in mlgit("plan", cwd=applied).out
    assert json.loads(out.splitlines()[0])["dirty"] is True


def test_a_plan_changes_nothing(small, mlgit):
    before = git(small, "for-each-ref"), git(small, "status", "--porcelain")
    mlgit("plan", cwd=small)
    mlgit("plan", "--refresh", "--format", "json", cwd=small)
    assert (git(small, "for-each-ref"), git(small, "status", "--porcelain")) == before
    assert not (small / ".mlgit").exists()


def test_a_revision_is_planned_instead_of_the_work_tree(applied, mlgit):
    first = git(applied, "rev-parse", "HEAD")
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(applied)
    assert "inputs.factor 2 -> 3" in mlgit("plan", cwd=applied).out
    assert mlgit("plan", "--ref", first, cwd=applied).out.startswith("No changes. ")
    assert mlgit("plan", "--ref", "no-such-branch", cwd=applied).code == 1


def test_an_asset_can_be_replaced_without_a_change(applied, mlgit, golden):
    ended = mlgit("plan", "--replace", "job/sum", cwd=applied)
    assert ended.code == 0
    golden("cli/plan-replace.txt", ended.out)


def test_replacing_an_unknown_address_is_refused(applied, mlgit):
    ended = mlgit("plan", "--replace", "job/summ", cwd=applied)
    assert ended.code == 1
    assert "job/summ" in ended.err


@pytest.mark.slow
def test_an_asset_from_another_branch_is_kept(applied, mlgit):
    git(applied, "switch", "--quiet", "--create", "other")
    commit(
        applied, "more", {"data/more.yml": (applied / "data/numbers.yml").read_text().replace(" numbers\n", " more\n")}
    )
    assert mlgit(*APPLY, cwd=applied).code == 0
    git(applied, "switch", "--quiet", "main")
    planned = mlgit("plan", cwd=applied)
    assert "data/more is live, from a commit that is not in this branch: not removed" in planned.out
    assert "archive" not in planned.out


def test_a_part_of_the_plan_can_be_selected(small, mlgit, golden):
    golden("cli/plan-select.txt", mlgit("plan", "--select", "job/sum", cwd=small).out)
    golden("cli/plan-exclude.txt", mlgit("plan", "--exclude", "environment", cwd=small).out)
    misspelt = mlgit("plan", "--select", "jbo/sum", cwd=small)
    assert misspelt.code == 1
    assert "did you mean job/sum?" in misspelt.err


def test_a_plan_can_be_written_as_markdown(small, mlgit):
    page, comment = (mlgit("plan", "--format", form, cwd=small) for form in ("markdown", "github"))
    assert page.out.startswith("### Plan: 6 changes, starts 1 run.\n\n#### Runs that start\n")
    assert comment.out.startswith("### Plan: 6 changes")
    assert (page.err, comment.err) == ("", "")


@pytest.mark.parametrize(
    "text",
    ["", "# nothing\n", "type: [\n", "stages: {train: {cmd: x}}\n", "name: total\ntraffic: {a: x}\n"],
    ids=["empty", "a comment", "broken", "of another tool", "with keys of a kind by chance"],
)
def test_an_emptied_file_is_an_error_and_does_not_remove_its_asset(text, applied, mlgit):
    (applied / "models/total.yml").write_text(text)
    planned = mlgit("plan", cwd=applied)
    assert planned.code == 1
    assert "models/total.yml:1:1" in planned.err
    assert "[asset-emptied]" in planned.err
    (applied / "models/total.yml").unlink()
    assert "Plan: 1 change" in mlgit("plan", cwd=applied).out
