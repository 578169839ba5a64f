"""The policies of a pull request: those of the base commit rule, those of the change are shown and not obeyed."""

from __future__ import annotations

import json

import pytest
from workspaces import commit, edit, git

OWNER = "policies: [{name: owner, uses: owner-tag, for: {kinds: [job]}}]\n"
WAIVER = "waivers: [{policy: owner, for: job/sum, reason: soon, until: 2099-12-31}]\n"
OWNERS = {".github/CODEOWNERS": "/policies/ @ada @team/ml\n/jobs/ @grace\n"}


@pytest.fixture
def base(small):
    """Return the small workspace with a policy on its main branch, on the branch of a change that fails it."""
    edit(small, "jobs/sum.yml", "name: sum", "name: sum\ntags: {owner: ada}")
    commit(small, "policies", {"policies/team.yml": OWNER, **OWNERS})
    git(small, "switch", "--quiet", "-c", "change")
    edit(small, "jobs/sum.yml", "\ntags: {owner: ada}", "")
    commit(small, "nobody owns it")
    return small


@pytest.fixture
def report(mlgit, tmp_path):
    def make(folder, *options):
        ended = mlgit("ci", "plan", "--base", "main", "--out", str(tmp_path / "report"), *options, cwd=folder)
        path = tmp_path / "report/report.json"
        diagnostics = json.loads(path.read_text("utf-8"))["diagnostics"] if path.exists() else []
        return ended, [(item["code"], item["severity"]) for item in diagnostics if item["code"].startswith("policy")]

    return make


def approve(folder, *logins, head=""):
    head = head or git(folder, "rev-parse", "HEAD")
    approvals = [{"login": login, "submitted_at": "2026-01-01T00:00:00Z"} for login in logins]
    path = folder.parent / "approvals.json"
    path.write_text(json.dumps({"format": 1, "pull": 1, "head": head, "approvals": approvals}), "utf-8")
    return "--approvals", str(path)


def test_a_change_that_fails_a_policy_of_the_base_has_an_error_in_its_report(base, report):
    ended, found = report(base)
    assert ended.code == 1
    assert found == [("policy-failed", "error")]
    assert "jobs/sum.yml" in ended.err


@pytest.mark.parametrize(
    "text",
    ["policies: []\n", OWNER.replace("uses:", "severity: note, uses:"), OWNER + WAIVER],
    ids=["removed", "weakened", "waived"],
)
def test_a_change_cannot_relax_the_policies_that_judge_it(base, report, text):
    commit(base, "relax", {"policies/team.yml": text})
    ended, found = report(base)
    assert ended.code == 1
    assert found == [("policy-failed", "error"), ("policy-unmerged", "note")]
    git(base, "switch", "--quiet", "main")
    git(base, "merge", "--quiet", "change")
    ended, _ = report(base)
    assert ended.code == 0  # once it is on the base


def test_what_fails_on_the_base_too_is_a_warning_and_does_not_stop_another_change(base, report):
    git(base, "switch", "--quiet", "main")
    git(base, "merge", "--quiet", "change")
    git(base, "switch", "--quiet", "-c", "other")
    commit(base, "unrelated", {"data/more.csv": "n\n"})
    ended, found = report(base)
    assert ended.code == 0
    assert found == [("policy-failed", "warning")]
    assert "it is so on the base too" in ended.err


def test_a_new_policy_of_a_change_is_checked_and_does_not_rule_yet(base, report):
    hostile = "policies: [{name: nothing, check: 'false', message: nothing may change}]\n"
    commit(base, "tag", {"policies/new.yml": hostile, "policies/team.yml": OWNER.replace("job", "model")})
    _, found = report(base)
    assert found.count(("policy-failed", "error")) == 1
    commit(base, "mistake", {"policies/new.yml": hostile.replace("false", "fals")})
    ended, found = report(base)
    assert ended.code == 1
    assert ("policy-invalid", "error") in found


def test_a_waiver_counts_at_once_if_an_owner_of_its_file_by_the_base_approves_the_head(base, report):
    commit(base, "waive", {"policies/team.yml": OWNER + WAIVER, ".github/CODEOWNERS": "* @mallory\n"})
    assert report(base, *approve(base, "grace"))[0].code == 1  # owns other files
    assert report(base, *approve(base, "mallory"))[0].code == 1  # owns them by the change alone
    ended, found = report(base, *approve(base, "Ada"))
    assert ended.code == 0
    assert ("policy-waived", "note") in found


def test_approvals_of_another_commit_are_an_error(base, report):
    commit(base, "waive", {"policies/team.yml": OWNER + WAIVER})
    options = approve(base, "ada")
    commit(base, "more", {"policies/team.yml": OWNER + WAIVER + "# and more\n"})
    ended, _ = report(base, *options)
    assert ended.code == 1
    assert "which is not the head of this change [approvals-stale]" in ended.err


def test_approvals_of_the_head_hold_for_its_merge_and_for_no_other_content(base, report):
    head = commit(base, "waive", {"policies/team.yml": OWNER + WAIVER})
    git(base, "switch", "--quiet", "main")
    main = commit(base, "meanwhile", {"data/more.csv": "n\n"})
    git(base, "switch", "--quiet", "--detach", "main")
    git(base, "merge", "--quiet", "--no-ff", "change", "-m", "merge")
    options = approve(base, "ada", head=head)
    assert report(base, *options)[0].code == 0
    edit(base, "jobs/sum.yml", "factor: 2", "factor: 3")
    git(base, "add", "--all")
    git(base, "commit", "--quiet", "--amend", "--no-edit")  # an evil merge
    assert git(base, "rev-parse", "HEAD^1") == main
    ended, _ = report(base, *options)
    assert "approvals-stale" in ended.err


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2, "head": "x", "approvals": []}', '{"format": 1}'])
def test_a_file_without_approvals_is_an_error(base, report, tmp_path, text):
    file = tmp_path / "other.json"
    file.write_text(text, "utf-8")
    ended, _ = report(base, "--approvals", str(file))
    assert ended.code == 1
    assert "has no approvals of this version of mlgit [approvals-file]" in ended.err


def test_a_policy_whose_file_the_change_has_otherwise_is_named_with_its_place_at_the_base(base, report):
    git(base, "switch", "--quiet", "main")
    few = "policies:\n- name: few\n  check: plan.summary.changes < 7\n  message: too much\n"
    commit(base, "few", {"policies/few.yml": few})
    git(base, "switch", "--quiet", "-c", "other")
    data = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: more\n"
    data += "type: uri_file\npath: numbers.csv\n"
    commit(base, "shift", {"policies/few.yml": f"# shifted\n{few}", "data/more.yml": data})
    ended, _ = report(base)
    assert "policy few: too much (plan.summary.changes is 7) (policies/few.yml:2:9 at the base)" in ended.err


def test_a_merge_queue_asks_the_policies_that_an_apply_would_ask(base, report, mlgit, tmp_path):
    git(base, "switch", "--quiet", "main")
    commit(base, "no policies", {"policies/team.yml": "policies: []\n"})
    git(base, "switch", "--quiet", "change")
    assert report(base)[0].code == 0
    git(base, "switch", "--quiet", "main")
    commit(base, "policies", {"policies/team.yml": OWNER})
    git(base, "merge", "--quiet", "--no-ff", "--no-edit", "change")
    ended = mlgit("ci", "check", str(tmp_path / "report/report.json"), "--base", "main^1", cwd=base)
    assert (ended.code, "[policy-failed]" in ended.err) == (1, True)
