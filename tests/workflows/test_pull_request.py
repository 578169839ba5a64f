"""The workflows that `mlgit init` writes, run by act: from the pull request to the apply, and what comes after it."""

from __future__ import annotations

import pytest
from hub import assets
from workspaces import commit, git

pytestmark = [pytest.mark.slow, pytest.mark.services]

RUNNER = {"MLGIT_RUNNER": '["self-hosted"]'}
DATA = {
    "data/more.yml": """
        $schema: https://azuremlschemas.azureedge.net/latest/data.schema.json
        name: more
        type: uri_file
        path: more.csv
        """,
    "data/more.csv": "n\n4\n",
}


def test_a_merge_applies_what_the_pull_request_has_shown_and_nothing_twice(hub):
    hub.open_pull(7, assets(hub.folder))
    planned = hub.run_pull_request(7)
    assert planned.jobs() == {"review / plan": True, "review / scan": True, "review / comment": True}, planned.log
    [comment] = hub.api.comments_of(7)
    assert "first run" in comment

    merge_commit = hub.merge_commit(7)
    same = hub.run_merge_group(7)
    assert same.jobs() == {"review / check": True}, same.log
    commit(hub.clone, "another change, which is merged before", DATA)
    different = hub.run_merge_group(7)
    assert different.jobs() == {"review / check": False}, different.log
    assert "data/more" in different.log

    git(hub.clone, "checkout", "--quiet", merge_commit)
    hub.merge(7)
    applied = hub.run_push(variables=RUNNER)
    assert applied.jobs() == {"apply / apply": True, "apply / comment": True}, applied.log
    [comment] = hub.api.comments_of(7)
    assert "- model/total: waits for job/sum" in comment

    hub.open_gate()
    advanced = hub.run_event("schedule", {}, variables=RUNNER)
    jobs = {"advance / apply": True, "advance / comment": True, "drift / drift": True, "drift / report": True}
    assert advanced.jobs() == jobs, advanced.log
    assert "report-7.json" in advanced.log, "what was reviewed counts when runs are advanced"
    [comment] = hub.api.comments_of(7)
    assert "| `model/total` | 1 | `sum-" in comment
    assert hub.api.issues == {}

    live = hub.live()
    again = hub.run_push(variables=RUNNER)
    assert again.jobs() == {"apply / apply": True}, again.log
    assert hub.api.comments_of(7) == [comment], "that nothing was left to do does not replace what was done"
    assert "No changes." in again.log
    assert (hub.live(), hub.executions()) == (live, 1)

    hub.open_pull(8, DATA)
    next_plan = hub.run_pull_request(8)
    assert "restored" in next_plan.log, "the cache that the apply has saved"
    [comment] = hub.api.comments_of(8)
    assert "data/more" in comment
    assert "job/sum" not in comment


def test_a_pull_request_from_a_fork_is_commented_by_another_workflow(hub):
    hub.open_pull(7, DATA, fork="eve/ml")
    planned = hub.run_pull_request(7)
    assert planned.jobs() == {"review / plan": True}, planned.log
    assert hub.requests("POST|PATCH|PUT|DELETE") == [], "the token of a fork writes nothing"

    git(hub.clone, "checkout", "--quiet", "origin/main")
    run = hub.api.runs[max(hub.api.runs)]
    commented = hub.run_event("workflow_run", {"action": "completed", "workflow_run": run})
    assert commented.jobs() == {"comment / comment": True}, commented.log
    [comment] = hub.api.comments_of(7)
    assert "data/more" in comment
    assert "This pull request is from a fork." in comment


def test_on_a_runner_of_githubs_apply_is_an_error_and_changes_nothing(hub):
    applied = hub.run_push(variables=RUNNER, environment={"RUNNER_ENVIRONMENT": "github-hosted"})
    assert applied.jobs()["apply / apply"] is False
    assert "runner-not-kept" in applied.log, applied.log
    assert hub.live() == ""


def test_nothing_is_applied_before_a_runner_is_named(hub):
    run = hub.run_push()
    assert run.code == 0
    assert run.jobs() == {}
