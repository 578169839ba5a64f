"""mlgit state rm: the live state forgets addresses; what they stand for stays, and the next apply adopts it."""

from __future__ import annotations

import json

import pytest
from held_locks import locked
from workspaces import APPLY, commit, edit, git, has_ended, until

ALL = {"data/numbers", "environment/plain", "job/sum", "model/total", "workspace/small"}
LIVE = "refs/mlgit/small/default/live"


def live(mlgit, folder):
    ended = mlgit("list", "--archived", "--format", "json", cwd=folder)
    assert ended.code == 0, ended.err
    return {entry["address"] for entry in json.loads(ended.out)}


def state(folder):
    return git(folder, "rev-parse", LIVE)


def test_addresses_are_forgotten_and_adopted_by_the_next_apply(applied, mlgit, golden):
    outputs = []
    for command in (
        ("state", "rm", "--dry-run", "job/sum", "model/total"),
        ("state", "rm", "job/sum", "model/total", "data/numbers", "job/sum"),
        ("plan",),
        ("log", "-n", "1"),
        ("diff", "~1"),
    ):
        ended = mlgit(*command, cwd=applied)
        assert ended.code == 0, ended.err
        outputs.append(f"$ mlgit {' '.join(command)}\n{ended.out}{ended.err}\n")
    golden("cli/state-rm/text.txt", "".join(outputs))
    assert live(mlgit, applied) == {"environment/plain", "workspace/small"}
    runs = len(list((applied / ".mlgit/store/runs").iterdir()))
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert live(mlgit, applied) == ALL
    assert len(list((applied / ".mlgit/store/runs").iterdir())) == runs
    assert mlgit("plan", cwd=applied).out.startswith("No changes")


@pytest.mark.parametrize("address", sorted(ALL))
def test_each_kind_can_be_forgotten_and_applied_again(applied, mlgit, address):
    assert mlgit("state", "rm", address, cwd=applied).code == 0
    assert live(mlgit, applied) == ALL - {address}
    assert f" {address}: " in mlgit("plan", cwd=applied).out
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert live(mlgit, applied) == ALL
    assert mlgit("plan", cwd=applied).out.startswith("No changes")


def test_a_forgotten_asset_with_other_content_gets_the_next_version(applied, mlgit):
    first = mlgit("show", "data/numbers@1", "--format", "json", cwd=applied).out
    assert mlgit("state", "rm", "data/numbers", cwd=applied).code == 0
    edit(applied, "data/numbers.csv", "3\n", "4\n")
    commit(applied)
    assert "data/numbers: new version 2 because path changed" in mlgit("plan", cwd=applied).out
    assert mlgit(*APPLY, cwd=applied).code == 0
    versions = json.loads(mlgit("list", "data/numbers", "--format", "json", cwd=applied).out)
    assert [version["version"] for version in versions] == ["2", "1"]
    again = mlgit("show", "data/numbers@1", "--format", "json", cwd=applied).out
    assert json.loads(again)["spec"] == json.loads(first)["spec"]


def test_what_no_file_declares_is_forgotten_for_good(applied, mlgit):
    git(applied, "rm", "--quiet", "models/total.yml")
    commit(applied)
    assert "model/total: archive" in mlgit("plan", cwd=applied).out
    assert mlgit("state", "rm", "model/total", cwd=applied).code == 0
    assert mlgit("plan", cwd=applied).out.startswith("No changes")


@pytest.mark.parametrize("back", [("state", "restore", "~1"), ("rollback", "~1")])
def test_a_restore_and_a_rollback_bring_back_what_was_forgotten(applied, mlgit, back):
    assert mlgit("state", "rm", "job/sum", "workspace/small", cwd=applied).code == 0
    ended = mlgit(*back, "--auto-approve", cwd=applied)
    assert ended.code == 0, ended.err
    assert live(mlgit, applied) == ALL
    assert mlgit("plan", cwd=applied).out.startswith("No changes")


def test_all_wrong_addresses_are_reported_and_nothing_is_forgotten(applied, mlgit, golden):
    before = state(applied)
    wrong = ("model/totl", "total", "model/total@1", "nothing", "job/", "compute/cpu")
    refused = mlgit("state", "rm", "job/sum", *wrong, cwd=applied)
    assert (refused.code, state(applied)) == (1, before)
    golden("cli/state-rm/wrong.txt", refused.err)


def test_a_dry_run_changes_nothing(applied, mlgit):
    before = state(applied)
    ended = mlgit("state", "rm", "--dry-run", "job/sum", "--format", "json", cwd=applied)
    assert json.loads(ended.out) == {"removed": ["job/sum"], "dry_run": True, "commit": None}
    assert state(applied) == before


def test_the_json_output_names_the_commit(applied, mlgit):
    ended = mlgit("state", "rm", "job/sum", "--format", "json", cwd=applied)
    assert json.loads(ended.out) == {"removed": ["job/sum"], "dry_run": False, "commit": state(applied)}


@pytest.mark.parametrize("how", ["exclusive", "shared"])
def test_what_an_apply_locks_is_not_forgotten_and_everything_else_can_be(applied, mlgit, opened, how):
    with locked(opened(applied), **{how: ("job/sum",)}):
        refused = mlgit("state", "rm", "model/total", "job/sum", cwd=applied)
        assert (refused.code, live(mlgit, applied)) == (1, ALL)
        assert "error: job/sum: locked by ada on elsewhere, since 2026-01-01T00:00:00Z [state-locked]" in refused.err
        assert f"`mlgit unlock {'0' * 12}`" in refused.err
        assert mlgit("state", "rm", "model/total", cwd=applied).code == 0
    assert live(mlgit, applied) == ALL - {"model/total"}
    assert mlgit("unlock", cwd=applied).out == "There are no locks.\n"


@pytest.fixture
def running(waiting, mlgit):
    """Return a workspace whose job runs until the test lets it end."""
    assert mlgit("apply", "--auto-approve", cwd=waiting.folder).code == 0
    until(waiting.executions)
    return waiting


def test_a_job_with_a_run_that_has_not_ended_is_forgotten_only_by_force(running, mlgit, golden):
    folder = running.folder
    before = state(folder)
    for option in ((), ("--dry-run",)):
        refused = mlgit("state", "rm", *option, "job/sum", cwd=folder)
        assert (refused.code, state(folder)) == (1, before)
        assert "[run-active]" in refused.err
    golden("cli/state-rm/active.txt", refused.err)
    forced = mlgit("state", "rm", "--force", "job/sum", cwd=folder)
    assert forced.code == 0
    assert "goes on, and its end is recorded only if an apply finds it again" in forced.out
    (pid,) = running.executions()
    assert not has_ended(pid)
    running.let_it_end()
    again = mlgit(*APPLY, cwd=folder)
    assert again.code == 0, again.err
    assert running.executions() == [pid]
    assert live(mlgit, folder) == ALL
