"""Policies in the commands: plan shows what they say, apply refuses, and whoever has none pays nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from workspaces import commit, edit, git, write

from reconciler.policies import expressions
from reconciler.project import policies

TAGGED = "policies: [{name: owner, uses: owner-tag, for: {kinds: [job]}}]\n"
SUBMIT = """
    policies:
      - name: cpu
        for: {kinds: [job], actions: [submit]}
        check: asset.spec.compute == "azureml:cpu"
        message: jobs run on the cpu cluster
    """


@pytest.fixture
def on_day(monkeypatch):
    def set_day(day):
        monkeypatch.setattr(policies, "utc_date", lambda: day)

    return set_day


def test_a_plan_that_fails_a_policy_is_shown_and_apply_refuses_it(small, mlgit):
    commit(small, "policies", {"policies/team.yml": SUBMIT})
    plan = mlgit("plan", cwd=small)
    assert plan.code == 1
    assert "first run of job/sum" in plan.out
    assert "`mlgit apply` will refuse this plan: 1 error of policies." in plan.out
    place = "jobs/sum.yml:6:10: error: policy cpu: job/sum: jobs run on the cpu cluster (asset.spec.compute is local)"
    assert f"{place} [policy-failed]" in plan.err
    assert "the policy is at policies/team.yml:2:11" in plan.err
    applied = mlgit("apply", "--auto-approve", cwd=small)
    assert applied.code == 1
    assert "first run of job/sum" in applied.out
    assert "the plan has 1 error of policies; nothing was applied [policy-refused]" in applied.err
    assert json.loads(mlgit("list", "--format", "json", cwd=small).out) == []


def test_a_warning_is_shown_and_hinders_nothing(small, mlgit):
    commit(small, "policies", {"policies/team.yml": TAGGED.replace("uses:", "severity: warning, uses:")})
    plan = mlgit("plan", cwd=small)
    assert plan.code == 0
    assert "warning: policy owner: job/sum: the tag owner is missing" in plan.err
    assert "refuse" not in plan.out


@pytest.mark.parametrize("form", ["json", "markdown", "github"])
def test_every_form_of_a_plan_has_what_the_policies_say(small, mlgit, form):
    commit(small, "policies", {"policies/team.yml": SUBMIT})
    plan = mlgit("plan", "--format", form, cwd=small)
    assert plan.code == 1
    assert "jobs run on the cpu cluster" in plan.out


def test_an_expression_that_has_no_value_is_a_failure_that_quotes_it(small, mlgit):
    check = SUBMIT.replace('asset.spec.compute == "azureml:cpu"', 'asset.spec.tags.owner != ""')
    commit(small, "policies", {"policies/team.yml": check})
    plan = mlgit("plan", cwd=small)
    assert plan.code == 1
    assert '`asset.spec.tags.owner != ""` cannot be evaluated: there is no field tags' in plan.err


def test_a_policy_about_the_plan_is_evaluated_once(small, mlgit):
    text = "policies: [{name: few, check: plan.summary.changes <= 3, message: too much at once}]\n"
    commit(small, "policies", {"policies/team.yml": text})
    plan = mlgit("plan", cwd=small)
    assert plan.code == 1
    assert plan.err.count("policy few: too much at once (plan.summary.changes is 6)") == 1


def test_a_mistake_in_a_policy_stops_plan_and_validate_like_one_in_any_file(small, mlgit):
    text = "policies: [{name: few, check: plen.summary.changes <= 3, message: too much at once}]\n"
    commit(small, "policies", {"policies/team.yml": text})
    for command in (("plan",), ("validate",), ("validate", "policies/team.yml"), ("apply", "--auto-approve")):
        ended = mlgit(*command, cwd=small)
        assert ended.code == 1
        assert "policies/team.yml:1:31: error: the expression is wrong: there is no variable plen" in (
            ended.out + ended.err
        )


def test_validate_counts_policy_files_and_says_which_waivers_have_expired(small, mlgit, on_day):
    waiver = "waivers: [{policy: owner, for: job/sum, reason: soon, until: 2026-03-31}]\n"
    commit(small, "policies", {"policies/team.yml": TAGGED + waiver})
    on_day("2026-03-31")
    assert "6 files: fine" in mlgit("validate", cwd=small).out + mlgit("validate", cwd=small).err
    on_day("2026-04-01")
    ended = mlgit("validate", "policies/team.yml", cwd=small)
    assert ended.code == 0
    assert "the waiver of owner for job/sum expired on 2026-03-31" in ended.out + ended.err


def test_a_waiver_counts_until_its_day_has_passed_although_no_file_changes(small, mlgit, on_day):
    waiver = "waivers: [{policy: owner, for: 'job/*', reason: in review, until: 2026-03-31}]\n"
    commit(small, "policies", {"policies/team.yml": TAGGED + waiver})
    on_day("2026-03-31")
    for _ in range(2):  # the second time nothing has changed
        plan = mlgit("plan", cwd=small)
        assert (plan.code, plan.err.count("policy-waived")) == (0, 1)
    assert "waived until 2026-03-31 at policies/team.yml:2:20: in review" in plan.err
    on_day("2026-04-01")
    plan = mlgit("plan", cwd=small)
    assert plan.code == 1
    assert "waiver-expired" in plan.err
    assert "policy-failed" in plan.err


def test_a_cached_plan_says_what_policies_say_until_one_of_them_changes(small, mlgit):
    commit(small, "policies", {"policies/team.yml": TAGGED})
    first, second = mlgit("plan", cwd=small), mlgit("plan", cwd=small)
    assert (first.code, first.out, first.err) == (second.code, second.out, second.err)
    assert first.code == 1
    write(small, {"policies/team.yml": TAGGED.replace("uses:", "severity: note, uses:")})
    assert mlgit("plan", cwd=small).code == 0


def test_an_incremental_plan_obeys_a_policy_that_was_changed(applied, mlgit):
    assert mlgit("plan", cwd=applied).code == 0
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(applied, "policies", {"policies/team.yml": TAGGED})
    assert "the tag owner is missing" in mlgit("plan", cwd=applied).err
    commit(applied, "tag", {"policies/team.yml": TAGGED.replace("owner-tag", "owner-tag, with: {tag: team}")})
    assert "the tag team is missing" in mlgit("plan", cwd=applied).err


def test_what_is_protected_by_its_tag_is_not_deleted(applied, mlgit):
    edit(applied, "data/numbers.yml", "type: uri_file", 'type: uri_file\ntags: {protected: "true"}')
    commit(applied, "protect", {"policies/team.yml": "policies: [{name: keep, uses: protected-deletion}]\n"})
    assert mlgit("apply", "--auto-approve", cwd=applied).code == 0
    git(applied, "rm", "-q", "jobs/sum.yml", "models/total.yml", "data/numbers.yml")
    commit(applied, "remove")
    plan = mlgit("plan", cwd=applied)
    assert plan.code == 1
    assert "policy keep: data/numbers: it has the tag protected: true, and the plan would archive it" in plan.err
    assert "policies/team.yml:1:19" in plan.err


def test_a_folder_of_policies_declares_no_assets_and_one_deeper_down_is_any_folder(small, mlgit):
    asset = (
        "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: x\n"
        "type: uri_file\npath: ../data/numbers.csv\n"
    )
    commit(small, "policies", {"policies/x.yml": asset})
    assert "policies/x.yml:1:1: error: unknown field" in mlgit("plan", cwd=small).err.replace(":2:1:", ":1:1:")
    git(small, "rm", "-q", "policies/x.yml")
    commit(small, "data", {"data/policies/x.yml": asset.replace("../data", "..")})
    assert "data/x: version 1" in mlgit("plan", cwd=small).out


def test_a_policy_is_never_skipped_for_where_it_stands(small, mlgit, tmp_path):
    commit(small, "deep", {"policies/teams/ml/owner.yaml": TAGGED})
    assert "the tag owner is missing" in mlgit("plan", cwd=small).err
    git(small, "mv", "policies", "shared")
    (small / "policies").symlink_to("shared")
    commit(small, "link")
    for command in (("plan",), ("plan", "--select", "data/numbers"), ("validate",)):
        ended = mlgit(*command, cwd=small)
        assert ended.code == 1
        assert "policies is a link or a submodule" in ended.out + ended.err


def test_a_part_of_the_files_is_not_planned_without_the_policies(small, mlgit):
    commit(small, "policies", {"policies/team.yml": "policies: [{name: x, check: acton, message: m}]\n"})
    for command in ("plan", "apply"):
        options = ("--auto-approve",) if command == "apply" else ()
        ended = mlgit(command, "--select", "data/numbers", *options, cwd=small)
        assert ended.code == 1
        assert "there is no variable acton" in ended.out + ended.err
    assert json.loads(mlgit("list", "--format", "json", cwd=small).out) == []


def test_without_the_library_a_policy_is_an_error_and_a_built_in_one_needs_none(small, mlgit, monkeypatch):
    monkeypatch.setattr(expressions, "_LIBRARY", "reconciler.no_such_module")
    expressions._environment.cache_clear()
    commit(small, "policies", {"policies/team.yml": TAGGED})
    assert "the tag owner is missing" in mlgit("plan", cwd=small).err
    commit(small, "policies", {"policies/team.yml": SUBMIT})
    for command in (("plan",), ("validate",), ("apply", "--auto-approve")):
        ended = mlgit(*command, cwd=small)
        assert ended.code == 1
        assert "run `pip install 'mlgit[policies]'`" in ended.out + ended.err
    expressions._environment.cache_clear()


def loaded(folder, *arguments):
    code = "import sys, json, contextlib, io\nfrom reconciler.cli import main\n"
    code += "with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):\n"
    code += "    main.main(sys.argv[1:], standalone_mode=False)\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, check=True, capture_output=True)
    return json.loads(run.stdout)


def test_who_has_no_policies_loads_nothing_for_them(small):
    git(small, "commit", "--quiet", "--allow-empty", "-m", "again")
    for arguments in (("plan",), ("validate",)):
        modules = loaded(small, *arguments)
        assert not [name for name in modules if "policies" in name or name.startswith("cel_")]
    write(small, {"policies/team.yml": SUBMIT})
    assert "cel_expr_python.cel" in loaded(small, "plan")


def test_the_controller_decides_nothing_of_a_plan_that_fails_a_policy(applied, mlgit):
    edit(applied, "data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: more")
    text = "policies: [{name: owner, uses: owner-tag, for: {kinds: [data]}}]\n"
    commit(applied, "policies", {"policies/team.yml": text})
    ended = mlgit("reconcile", "--once", "--ref", "main", cwd=applied)
    assert ended.code == 1
    assert "policy owner: data/numbers: the tag owner is missing" in ended.out + ended.err
    edit(applied, "data/numbers.yml", "description: more", "description: more\ntags: {owner: ada}")
    commit(applied, "tag")
    assert mlgit("reconcile", "--once", "--ref", "main", cwd=applied).code == 0
    assert (
        "Nothing to do" in mlgit("plan", cwd=applied).out or mlgit("plan", "--detailed-exitcode", cwd=applied).code == 0
    )
