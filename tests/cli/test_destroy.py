"""mlgit plan --destroy and mlgit apply --destroy: everything that is live is removed, and comes back by an apply."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from workspaces import APPLY, commit, edit, git, write

from reconciler.format.schemas import is_valid_for_schema

DESTROY = ("apply", "--destroy", "--auto-approve")
BROKEN = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: [numbers\n"
PROTECTED = """protect:
  - data/none
  - model/*
"""


@dataclass
class _Lines:
    """Collects the commands and outputs of a session as a person sees them."""

    text: str = ""

    def add(self, mlgit, folder, *arguments, code=0):
        ended = mlgit(*arguments, cwd=folder)
        assert ended.code == code, ended.err
        self.text += f"$ mlgit {' '.join(arguments)}\n{ended.out}{ended.err}\n"
        return ended


def live(mlgit, folder):
    ended = mlgit("list", "--format", "json", cwd=folder)
    assert ended.code == 0, ended.err
    return {entry["address"] for entry in json.loads(ended.out)}


def protect(folder):
    (folder / "mlgit.yml").write_text((folder / "mlgit.yml").read_text() + PROTECTED)
    commit(folder)


ALL = {"data/numbers", "environment/plain", "job/sum", "model/total", "workspace/small"}


def test_a_destroy_and_the_apply_after_it_print_what_a_person_sees(applied, mlgit, golden):
    lines = _Lines()
    lines.add(mlgit, applied, "plan", "--destroy")
    lines.add(mlgit, applied, *DESTROY)
    lines.add(mlgit, applied, "plan", "--destroy")
    lines.add(mlgit, applied, "plan")
    lines.add(mlgit, applied, "log", "-n", "1")
    lines.add(mlgit, applied, "diff", "~1")
    golden("cli/destroy/text.txt", lines.text)
    assert live(mlgit, applied) == set()
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert live(mlgit, applied) == ALL


@pytest.mark.parametrize("form", ["json", "markdown", "github"])
def test_a_plan_has_every_format(applied, mlgit, golden, form):
    ended = mlgit("plan", "--destroy", "--format", form, cwd=applied)
    assert ended.code == 0, ended.err
    golden(f"cli/destroy/plan.{form}", ended.out)


def test_a_plan_of_a_selection_says_what_goes_along_and_what_stays(applied, mlgit, golden):
    lines = _Lines()
    lines.add(mlgit, applied, "plan", "--destroy", "--select", "data/numbers")
    lines.add(mlgit, applied, "plan", "--destroy", "--exclude", "job")
    golden("cli/destroy/selected.txt", lines.text)


def test_the_detailed_exit_code_says_whether_something_is_live(applied, mlgit):
    assert mlgit("plan", "--destroy", "--detailed-exitcode", cwd=applied).code == 2
    assert mlgit(*DESTROY, cwd=applied).code == 0
    assert mlgit("plan", "--destroy", "--detailed-exitcode", cwd=applied).code == 0


def test_approval_is_asked_for(applied, mlgit):
    ended = mlgit("apply", "--destroy", cwd=applied)
    assert (ended.code, live(mlgit, applied)) == (1, ALL)
    assert "approval required for apply --destroy" in ended.err


def test_a_protected_asset_stops_a_destroy_at_its_line_and_the_rest_can_go(applied, mlgit, golden):
    protect(applied)
    lines = _Lines()
    lines.add(mlgit, applied, *DESTROY, code=1)
    assert live(mlgit, applied) == ALL
    write(applied, {"data/other.yml": "name: other\ntype: uri_file\npath: numbers.csv\n"})
    edit(
        applied, "data/other.yml", "name", "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname"
    )
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    lines.add(mlgit, applied, *DESTROY, "--exclude", "model/total")
    golden("cli/destroy/protected.txt", lines.text)
    assert live(mlgit, applied) == ALL


@pytest.mark.parametrize("is_committed", [True, False])
@pytest.mark.parametrize("name", ["data/numbers.yml", "jobs/sum.yml", "new/model.yml"])
def test_a_broken_file_does_not_stop_a_destroy(applied, mlgit, name, is_committed):
    write(applied, {name: BROKEN})
    if is_committed:
        commit(applied)
    assert mlgit("plan", cwd=applied).code == 1
    planned = mlgit("plan", "--destroy", "-o", "plan.json", cwd=applied)
    assert planned.out.startswith("Plan: 5 changes, destroys 5 assets.\n")
    assert "Plan saved. Apply exactly this plan" in planned.out
    assert mlgit(*DESTROY, cwd=applied).code == 0
    assert live(mlgit, applied) == set()


def test_files_that_are_gone_do_not_stop_a_destroy(applied, mlgit):
    git(applied, "rm", "--quiet", "-r", "data", "jobs", "models", "src", "environments", "workspace.yml")
    commit(applied)
    assert mlgit(*DESTROY, cwd=applied).code == 0
    assert live(mlgit, applied) == set()


def test_an_edit_of_the_settings_must_be_committed(applied, mlgit):
    (applied / "mlgit.yml").write_text((applied / "mlgit.yml").read_text() + "retries: 1\n")
    refused = mlgit(*DESTROY, cwd=applied)
    assert (refused.code, live(mlgit, applied)) == (1, ALL)
    assert "uncommitted changes: mlgit.yml [work-tree-dirty]" in refused.err


def test_settings_with_an_error_stop_a_destroy(applied, mlgit):
    write(applied, {"mlgit.yml": "state: {}\n"})
    commit(applied)
    refused = mlgit(*DESTROY, cwd=applied)
    assert refused.code == 1
    assert "mlgit.yml:1:1: error" in refused.err


def test_a_saved_plan_is_applied_as_it_was_made(applied, mlgit):
    assert mlgit("plan", "--destroy", "-o", "plan.json", cwd=applied).code == 0
    saved = json.loads((applied / "plan.json").read_text())
    assert is_valid_for_schema(saved, "plan")
    assert (saved["body"]["options"]["destroy"], saved["body"]["summary"]["destroys"]) == (True, 5)
    assert mlgit("show", "plan.json", cwd=applied).out.startswith("Plan: 5 changes, destroys 5 assets.\n")
    assert mlgit("apply", "plan.json", "--destroy", cwd=applied).code == 1
    ended = mlgit("apply", "plan.json", cwd=applied)
    assert ended.code == 0, ended.err
    assert live(mlgit, applied) == set()


def test_a_saved_plan_is_refused_if_something_was_changed_since(applied, mlgit):
    assert mlgit("plan", "--destroy", "-o", "plan.json", cwd=applied).code == 0
    edit(applied, "models/total.yml", "name:", "description: new\nname:")
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    stale = mlgit("apply", "plan.json", cwd=applied)
    assert (stale.code, live(mlgit, applied)) == (1, ALL)
    assert "[plan-stale]" in stale.err
    assert "make a new plan: mlgit plan --destroy -o FILE" in stale.err


def test_a_destroy_is_of_one_target(applied, mlgit):
    (applied / "mlgit.yml").write_text((applied / "mlgit.yml").read_text() + "targets: {prod: {}}\n")
    commit(applied)
    assert mlgit(*APPLY, "--target", "prod", cwd=applied).code == 0
    planned = mlgit("plan", "--destroy", "--target", "prod", cwd=applied)
    assert planned.out.startswith("Target prod. Plan: 5 changes, destroys 5 assets.\n")
    assert planned.out.endswith("Apply this with `mlgit apply --target prod --destroy`.\n")
    assert mlgit(*DESTROY, "--target", "prod", cwd=applied).code == 0
    assert live(mlgit, applied) == ALL
    assert mlgit("list", "--target", "prod", cwd=applied).out == "No asset is live.\n"


@pytest.mark.parametrize("selection", [(), ("--select", "job/sum")])
@pytest.mark.parametrize("revision", ["~1", "HEAD"])
def test_a_rollback_brings_back_what_was_destroyed(applied, mlgit, revision, selection):
    assert mlgit(*DESTROY, *selection, cwd=applied).code == 0
    assert live(mlgit, applied) == ALL - ({"job/sum", "model/total"} if selection else ALL)
    back = mlgit("rollback", revision, "--auto-approve", "--wait", cwd=applied)
    assert back.code == 0, back.err
    assert "what was removed since then is applied again." in back.out
    assert live(mlgit, applied) == ALL
    assert mlgit("plan", cwd=applied).out.startswith("No changes")


def test_a_restore_of_the_state_brings_back_the_records_as_they_were(applied, mlgit):
    before = mlgit("list", "--format", "json", cwd=applied).out
    assert mlgit(*DESTROY, cwd=applied).code == 0
    assert mlgit("state", "restore", "~1", "--auto-approve", cwd=applied).code == 0
    assert mlgit("list", "--format", "json", cwd=applied).out == before
    assert mlgit("plan", cwd=applied).out.startswith("No changes")


def test_nothing_live_is_nothing_to_destroy(small, mlgit):
    ended = mlgit("plan", "--destroy", cwd=small)
    assert (ended.code, ended.out) == (0, "No changes. No asset needs to be destroyed.\n")
    assert mlgit(*DESTROY, cwd=small).code == 0


def test_replace_contradicts_destroy(applied, mlgit):
    for command in ("plan", "apply"):
        refused = mlgit(command, "--destroy", "--replace", "job/sum", cwd=applied)
        assert (refused.code, live(mlgit, applied)) == (1, ALL)
        assert "--destroy and --replace cannot be used together" in refused.err


def test_a_rollback_to_the_applied_commit_leads_nowhere_if_nothing_of_it_is_gone(applied, mlgit):
    git(applied, "rm", "--quiet", "models/total.yml")
    commit(applied)
    assert mlgit(*APPLY, "--exclude", "model/total", cwd=applied).code == 0
    edit(applied, "data/numbers.yml", "name:", "description: new\nname:")
    commit(applied)
    assert mlgit(*APPLY, "--exclude", "model/total", cwd=applied).code == 0
    assert mlgit("archive", "model/total", "--auto-approve", cwd=applied).code == 0
    refused = mlgit("rollback", "~1", "--auto-approve", cwd=applied)
    assert (refused.code, "[rollback-nowhere]" in refused.err) == (1, True)
