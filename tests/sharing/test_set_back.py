"""A live state that the remote was set back to is never taken for the newest one, and the newer one is never lost."""

from __future__ import annotations

import re
import shutil

import pytest
from workspaces import APPLY, commit, git

pytestmark = pytest.mark.slow
LIVE = "refs/mlgit/small/default/live"
COMMANDS = [
    *(("plan",), ("plan", "--refresh"), ("status",), ("list",), ("log",), ("drift",), ("state", "show")),
    *(("unlock",), APPLY, ("archive", "data/numbers", "--auto-approve"), ("reconcile", "--once")),
]


@pytest.fixture
def set_back(without_job, data, mlgit):
    """Give a team whose first clone applied twice, and whose remote was then set back to the first apply."""
    assert mlgit(*APPLY, cwd=without_job.first).code == 0
    older = without_job.live()
    data(without_job.first, "more")
    commit(without_job.first)
    assert mlgit(*APPLY, cwd=without_job.first).code == 0
    newer = without_job.live()
    git(without_job.origin, "update-ref", LIVE, older)
    return without_job, older, newer


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_of_a_clone_that_knows_a_newer_state_names_both_and_the_ways_on(set_back, mlgit, command):
    team, older, newer = set_back
    for _ in range(2):
        ended = mlgit(*command, cwd=team.first)
        assert ended.code == 1, ended.out
        printed = ended.out + ended.err
        assert "[state-rewound]" in printed
        for text in (older[:10], newer[:10], "`mlgit state restore`", "`mlgit state restore --accept-remote`"):
            assert text in printed
    assert team.live() == older


def test_the_newer_state_can_be_pushed_again(set_back, mlgit):
    team, _, newer = set_back
    restored = mlgit("state", "restore", "--auto-approve", cwd=team.first)
    assert restored.code == 0, restored.err
    assert team.live() == newer
    assert mlgit("plan", cwd=team.first).out.startswith("No changes. ")
    assert mlgit(*APPLY, cwd=team.first).code == 0


def test_the_older_state_can_be_accepted_and_the_newer_one_is_kept(set_back, mlgit):
    team, older, newer = set_back
    accepted = mlgit("state", "restore", "--accept-remote", "--auto-approve", cwd=team.first)
    assert accepted.code == 0, accepted.err
    assert (older[:10] in accepted.out, newer[:10] in accepted.out) == (True, True)
    assert "data/more" in mlgit("plan", cwd=team.first).out
    assert mlgit(*APPLY, cwd=team.first).code == 0
    assert git(team.first, "for-each-ref", "--contains", newer)
    assert git(team.origin, "merge-base", older, LIVE) == older


def test_without_network_the_newer_state_is_used(set_back, mlgit):
    team, _, _ = set_back
    assert mlgit("plan", cwd=team.first).code == 1
    shutil.move(team.origin, team.folder / "away.git")
    plan = mlgit("plan", cwd=team.first)
    assert plan.code == 0, plan.err
    assert "data/more" not in plan.out


def test_a_history_that_others_built_on_the_older_state_is_not_overwritten(set_back, mlgit, data):
    team, _, newer = set_back
    git(team.first, "push", "--quiet", "origin", "HEAD:main")
    other = team.clone("other")
    data(other, "else")
    commit(other)
    assert mlgit(*APPLY, cwd=other).code == 0
    theirs = team.live()
    for command in (("plan",), APPLY, ("state", "restore", "--auto-approve")):
        ended = mlgit(*command, cwd=team.first)
        assert ended.code == 1
        assert re.search(rf"at {theirs[:10]}, which does not follow {newer[:10]}", ended.err), ended.err
    assert team.live() == theirs
    assert mlgit("state", "restore", "--accept-remote", "--auto-approve", cwd=team.first).code == 0
    assert mlgit("plan", cwd=team.first).code == 0
