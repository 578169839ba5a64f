"""mlgit github reviewed and approvals: what was reviewed, by whom."""

from __future__ import annotations

import json

import pytest
from github_api import Fault

from .conftest import HEAD, MERGE
from .reports import report

pytestmark = pytest.mark.services
WORKFLOW = "octo/ml/.github/workflows/mlgit.yml@refs/heads/main"


@pytest.fixture
def reviewed(mlgit, api, tmp_path, monkeypatch):
    """Run mlgit github reviewed for a merge commit."""
    monkeypatch.setenv("GITHUB_WORKFLOW_REF", WORKFLOW)
    command = ("github", "reviewed", "--out", "reviewed", "--commit")
    return lambda commit=MERGE, *arguments: mlgit(*command, commit, *arguments, cwd=tmp_path)


@pytest.fixture
def run(api):
    """Merge a pull request, for whose head the workflow had a run."""
    api.add_pull(7, HEAD)
    api.merge(7, MERGE)
    return api.add_run(HEAD)


def files(folder):
    return {path.name: path.read_text("utf-8") for path in sorted((folder / "reviewed").glob("*"))}


def test_the_report_on_the_head_of_the_merged_pull_request_is_downloaded(reviewed, api, run, tmp_path):
    api.add_artifact(run, {"report.json": report(), "plan.json": "{}"})
    ended = reviewed()
    assert (ended.code, ended.out, ended.err) == (0, "reviewed/report-7.json\n", "")
    assert files(tmp_path) == {"report-7.json": report()}


def test_the_newest_report_counts(reviewed, api, run, tmp_path):
    api.add_artifact(run, {"report.json": report("Old.")})
    again = api.add_run(HEAD)
    api.add_artifact(again, {"report.json": report("New.")})
    reviewed()
    assert files(tmp_path) == {"report-7.json": report("New.")}


def test_reports_of_another_head_another_workflow_or_another_event_do_not_count(reviewed, api, run):
    for fields in (
        {"path": ".github/workflows/evil.yml"},
        {"event": "push"},
        {"event": "workflow_dispatch"},
    ):
        api.add_artifact(api.add_run(HEAD, **fields), {"report.json": report()})
    api.add_artifact(api.add_run("9" * 40), {"report.json": report()})
    api.add_artifact(api.add_run(HEAD, fork="mallory/ml"), {"report.json": report()})
    api.add_artifact(api.add_run(HEAD, branch="other"), {"report.json": report()})
    api.add_artifact(run, {"report.json": report()}, name="another-report")
    ended = reviewed()
    assert ended.code == 1
    assert (
        f"no run of .github/workflows/mlgit.yml has uploaded mlgit-report for the head of pull request 7, {HEAD[:10]}"
        in (ended.err)
    )
    assert "run the check of the pull request again" in ended.err


def test_a_report_that_has_expired_is_an_error_that_says_to_run_the_check_again(reviewed, api, run):
    api.add_artifact(run, {"report.json": report()}, expired=True)
    ended = reviewed()
    assert ended.code == 1
    assert "has expired [github-artifact]" in ended.err
    assert "run the check of the pull request again" in ended.err


def test_another_workflow_can_be_named(reviewed, api, run, monkeypatch):
    monkeypatch.delenv("GITHUB_WORKFLOW_REF")
    api.runs[run]["path"] = ".github/workflows/plan.yml"
    api.add_artifact(run, {"report.json": report()})
    assert "[github-event]" in reviewed().err
    assert reviewed(MERGE, "--workflow", ".github/workflows/plan.yml").code == 0


def test_the_path_of_a_run_may_have_its_branch(reviewed, api, run):
    api.runs[run]["path"] = ".github/workflows/mlgit.yml@refs/pull/7/merge"
    api.add_artifact(run, {"report.json": report()})
    assert reviewed().code == 0


def test_a_push_brings_several_pull_requests(reviewed, api, run, event, tmp_path):
    other, older = "d" * 40, "e" * 40
    api.add_pull(9, "8" * 40)
    api.merge(9, other)
    api.add_pull(3, "3" * 40)
    api.merge(3, older)  # not of this push
    api.commit_pulls[MERGE].append(3)
    api.add_artifact(run, {"report.json": report("Seven.")})
    api.add_artifact(api.add_run("8" * 40), {"report.json": report("Nine.")})
    commits = [{"id": HEAD, "distinct": False}, {"id": other, "distinct": True}, {"id": MERGE, "distinct": True}]
    event("push", {"after": MERGE, "commits": commits})
    assert reviewed().code == 0
    assert files(tmp_path) == {"report-7.json": report("Seven."), "report-9.json": report("Nine.")}


def test_a_merge_group_brings_the_pull_request_of_its_branch(reviewed, api, event, tmp_path):
    api.add_pull(7, HEAD)
    api.add_artifact(api.add_run(HEAD), {"report.json": report()})
    event("merge_group", {"merge_group": {"head_ref": f"refs/heads/gh-readonly-queue/main/pr-7-{'5' * 40}"}})
    assert reviewed().code == 0
    assert files(tmp_path) == {"report-7.json": report()}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"files": ["data/iris.yml"]}, 0),
        ({"files": ["data/iris.yml", ".github/workflows/other.yml"]}, 1),
        ({"files": [".github/actions/plan/action.yml"]}, 1),
        ({"changed_files": 3001}, 1),
    ],
)
def test_a_fork_that_changes_workflows_has_no_report_that_counts(reviewed, api, fields, code):
    api.add_pull(7, HEAD, fork="mallory/ml", **fields)
    api.merge(7, MERGE)
    api.add_artifact(api.add_run(HEAD, fork="mallory/ml"), {"report.json": report()})
    ended = reviewed()
    assert ended.code == code
    assert not code or "is from a fork and changes workflows: its report can be anything [github-artifact]" in ended.err


def test_a_branch_of_the_repository_may_change_workflows(reviewed, api):
    api.add_pull(7, HEAD, files=[".github/workflows/mlgit.yml"])
    api.merge(7, MERGE)
    api.add_artifact(api.add_run(HEAD), {"report.json": report()})
    assert reviewed().code == 0


def test_a_commit_of_no_pull_request_was_not_reviewed(reviewed, api, tmp_path):
    api.commit_pulls[MERGE] = []
    ended = reviewed()
    assert (ended.code, ended.out) == (0, "")
    assert "cccccccccc is the merge of no pull request: nothing was reviewed." in ended.err
    assert not (tmp_path / "reviewed").exists()


def test_an_open_pull_request_with_the_commit_was_not_reviewed(reviewed, api):
    api.add_pull(7, HEAD)
    api.commit_pulls[MERGE] = [7]
    assert "nothing was reviewed" in reviewed().err


def test_a_commit_that_is_not_there_is_an_error(reviewed, api):
    assert "octo/ml has no commit cccccccccc [github-not-found]" in reviewed().err


def test_a_name_that_is_no_commit_is_refused(reviewed, api):
    ended = reviewed("main")
    assert ended.code == 1
    assert "main is not the full name of a commit" in ended.err


@pytest.mark.parametrize("text", ["{}", "no JSON"])
def test_a_report_that_is_none_is_an_error_with_its_pull_request(reviewed, api, run, text, tmp_path):
    api.add_artifact(run, {"report.json": text})
    ended = reviewed()
    assert ended.code == 1
    assert "the report of pull request 7" in ended.err
    assert files(tmp_path) == {}


def test_a_missing_permission_to_read_runs_is_named(reviewed, api, run):
    api.faults.append(Fault("/actions/runs", "forbidden"))
    assert "`permissions: actions: read`" in reviewed().err


# Approvals.


@pytest.fixture
def approvals(mlgit, api, tmp_path):
    """Run mlgit github approvals."""

    def run() -> list[str]:
        assert mlgit("github", "approvals", "--pull", "7", "--out", "approvals.json", cwd=tmp_path).code == 0
        document = json.loads((tmp_path / "approvals.json").read_text("utf-8"))
        assert (document["pull"], document["head"], document["base"]) == (7, HEAD, {"ref": "main", "commit": "b" * 40})
        return [approval["login"] for approval in document["approvals"]]

    api.add_pull(7, HEAD)
    return run


def test_who_approves_the_head_commit_counts(approvals, api):
    api.add_review(7, "bob", HEAD)
    api.add_review(7, "carol", "9" * 40)  # an older head
    api.add_review(7, "dora", HEAD, "COMMENTED")
    api.add_review(7, "ada", HEAD)  # who wrote it
    assert approvals() == ["bob"]


@pytest.mark.parametrize(
    ("newest", "approved"),
    [("CHANGES_REQUESTED", []), ("DISMISSED", []), ("COMMENTED", ["bob"]), ("APPROVED", ["bob"])],
)
def test_the_newest_verdict_of_a_reviewer_counts(approvals, api, newest, approved):
    api.add_review(7, "bob", HEAD)
    api.add_review(7, "bob", HEAD, newest)
    assert approvals() == approved


def test_nobody_may_have_approved(approvals, api):
    assert approvals() == []
