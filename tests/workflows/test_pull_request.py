"""The workflows that `mlgit init` writes, run by act: from the pull request to the apply, and what comes after it."""

from __future__ import annotations

import pytest
from hub import assets
from workspaces import commit, git, until


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
    print(comment)
    until(hub.executions, 60)
    until(lambda: list(hub.folder.glob("store/runs/*/result.json")), 60)

    advanced = hub.run_event("schedule", {}, variables=RUNNER)
    print(advanced.log)
    pytest.fail("look")
