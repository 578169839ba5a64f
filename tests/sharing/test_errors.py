"""Errors of a remote and of the live state in it, and the commands that repair or restore the state."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from workspaces import APPLY, commit, git

from reconciler.git import refs, trees
from reconciler.git.repository import open_repository
from reconciler.model import Address
from reconciler.state import paths

pytestmark = pytest.mark.slow
LIVE = "refs/mlgit/small/default/live"
NUMBERS = paths.current_record_path(Address("data", "numbers"))


@pytest.fixture
def applied(without_job, mlgit):
    """Return a team whose first clone has applied."""
    ended = mlgit(*APPLY, cwd=without_job.first)
    assert ended.code == 0, ended.err
    return without_job


def write_to_state(team, path, content):
    """Write a file into the live state at the remote without mlgit."""
    git(team.first, "fetch", "--quiet", "origin", f"+{LIVE}:refs/by-hand")
    repository = open_repository(team.first)
    commit_id = refs.commit_files(repository, repository.resolve("refs/by-hand"), {path: content}, "by hand")
    repository.close()
    git(team.first, "push", "--quiet", "origin", f"{commit_id}:{LIVE}")
    return commit_id


def test_the_message_of_a_remote_that_rejects_the_ref_is_quoted(without_job, mlgit, golden):
    without_job.hook("pre-receive", 'grep -q refs/mlgit && echo "refs/mlgit is not for you" >&2 && exit 1; exit 0')
    ended = mlgit(*APPLY, cwd=without_job.first)
    assert ended.code == 1
    golden("cli/sharing/remote-rejects.txt", ended.err)
    assert without_job.live() == ""
    assert without_job.lock_refs() == []


def test_a_remote_without_atomic_pushes_is_an_error(without_job, mlgit):
    git(without_job.origin, "config", "receive.advertiseAtomic", "false")
    ended = mlgit(*APPLY, cwd=without_job.first)
    assert ended.code == 1
    assert "[remote-rejects]" in ended.err
    assert "atomic" in ended.err


def test_without_network_a_plan_uses_the_fetched_state_and_shows_its_age(applied, mlgit, data, golden):
    shutil.move(applied.origin, applied.folder / "away.git")
    fetch_time_file = next(
        path for path in (applied.first / ".git/mlgit").iterdir() if path.name.startswith("fetched-")
    )
    two_hours_ago = time.time() - 7300
    os.utime(fetch_time_file, (two_hours_ago, two_hours_ago))
    data(applied.first, "more")
    plan = mlgit("plan", cwd=applied.first)
    assert plan.code == 0
    golden("cli/sharing/plan-without-network.txt", plan.out)
    for command in ("status", "log", "unlock"):
        result = mlgit(command, cwd=applied.first)
        assert result.code == 0
        assert "using the live state fetched 2 hours ago" in result.err
    ended = mlgit(*APPLY, cwd=applied.first)
    assert ended.code == 1
    golden("cli/sharing/apply-without-network.txt", ended.err)
    shutil.move(applied.folder / "away.git", applied.origin)
    assert mlgit(*APPLY, cwd=applied.first).code == 0


def test_without_network_a_clone_that_never_fetched_cannot_plan(applied, mlgit):
    other = applied.clone("other")
    shutil.move(applied.origin, applied.folder / "away.git")
    ended = mlgit("plan", cwd=other)
    assert ended.code == 1
    assert "[remote-unreachable]" in ended.err


def test_an_unknown_remote_is_an_error_with_its_name(without_job, mlgit, golden):
    git(without_job.first, "remote", "rename", "origin", "upstream")
    ended = mlgit("plan", cwd=without_job.first)
    assert ended.code == 1
    golden("cli/sharing/remote-unknown.txt", ended.err)


@pytest.mark.parametrize("url", ["https://example.org/x.git", "ext::sh -c id", "--upload-pack=id", "../origin.git"])
def test_a_url_instead_of_the_name_of_a_remote_is_refused_at_its_line(url, without_job, mlgit):
    text = (without_job.first / "mlgit.yml").read_text()
    commit(without_job.first, "url", {"mlgit.yml": text.replace("remote: origin", f"remote: {json.dumps(url)}")})
    ended = mlgit("plan", cwd=without_job.first)
    assert ended.code == 1
    assert "mlgit.yml:1:" in ended.err
    assert "the name of a remote, as `git remote` lists it; never a URL" in ended.err


def test_the_state_of_another_workspace_is_refused(applied, mlgit, golden):
    text = (applied.first / "mlgit.yml").read_text()
    commit(applied.first, "other", {"mlgit.yml": text.replace("1" * 32, "2" * 32)})
    before = applied.live()
    for command in (("plan",), APPLY):
        ended = mlgit(*command, cwd=applied.first)
        assert ended.code == 1
        golden("cli/sharing/state-foreign.txt", ended.err)
    assert applied.live() == before


def test_a_state_in_a_newer_format_is_refused_and_unchanged(applied, mlgit, golden):
    write_to_state(applied, paths.META_PATH, json.dumps({"format": 99, "lineage": "1" * 32}).encode())
    before = applied.live()
    for command in (("plan",), APPLY):
        ended = mlgit(*command, cwd=applied.first)
        assert ended.code == 1
        golden("cli/sharing/state-newer.txt", ended.err)
    assert applied.live() == before


def test_a_deleted_live_state_is_an_error_and_can_be_restored(applied, mlgit, golden):
    before = applied.live()
    git(applied.origin, "update-ref", "-d", LIVE)
    for _ in range(2):  # the second time, the clone knows the deletion
        ended = mlgit("plan", cwd=applied.first)
        assert ended.code == 1
        golden("cli/sharing/state-vanished.txt", ended.err)
    assert mlgit(*APPLY, cwd=applied.first).code == 1
    assert applied.live() == ""
    restored = mlgit("state", "restore", "--auto-approve", cwd=applied.first)
    golden("cli/sharing/state-restore-deleted.txt", restored.out + restored.err)
    assert applied.live() == before
    assert mlgit("plan", cwd=applied.first).out.startswith("No changes. ")
    second = mlgit("state", "restore", "--auto-approve", cwd=applied.first)
    assert second.code == 1
    assert "[state-there]" in second.err


def test_a_corrupt_record_is_reported_and_repaired_from_its_newest_good_copy(applied, mlgit, golden):
    write_to_state(applied, NUMBERS, b"{ no record")
    ended = mlgit("plan", cwd=applied.first)
    assert ended.code == 1
    golden("cli/sharing/state-corrupt.txt", ended.err)
    repaired = mlgit("state", "repair", "--auto-approve", cwd=applied.first)
    golden("cli/sharing/state-repair.txt", repaired.out + repaired.err)
    assert mlgit("plan", cwd=applied.first).out.startswith("No changes. ")
    assert mlgit("state", "repair", cwd=applied.first).out == "Every record of the live state can be read.\n"


def test_metadata_without_a_good_copy_is_created_again(applied, mlgit):
    git(applied.origin, "update-ref", "-d", LIVE)
    root = git(applied.first, "commit-tree", "-m", "x", git(applied.first, "mktree", "--missing"))
    git(applied.first, "push", "--quiet", "origin", f"{root}:{LIVE}")
    write_to_state(applied, paths.META_PATH, b"no")
    assert mlgit("state", "restore", "--accept-remote", "--auto-approve", cwd=applied.first).code == 0
    assert "[state-corrupt]" in mlgit("plan", cwd=applied.first).err
    assert mlgit("state", "repair", "--auto-approve", cwd=applied.first).code == 0
    assert mlgit("plan", cwd=applied.first).out.startswith("Plan: 2 changes")


def delete_object(folder, oid):
    """Delete an object of a clone, packed or loose."""
    packs = folder / ".git/objects/pack"
    for pack in packs.glob("*.pack"):
        moved = shutil.move(pack, folder / pack.name)
        for pack_file in packs.glob(f"{pack.stem}.*"):
            pack_file.unlink()
        with Path(moved).open("rb") as file:
            subprocess.run(["git", "unpack-objects", "-q"], cwd=folder, stdin=file, check=True)
    (folder / ".git/objects" / oid[:2] / oid[2:]).unlink()


@pytest.mark.parametrize("path", [NUMBERS, NUMBERS.rpartition("/")[0], "current"])
def test_repair_fetches_a_missing_object_from_the_remote(path, applied, mlgit):
    before = applied.live()
    delete_object(applied.first, git(applied.first, "rev-parse", f"{before}:{path}"))
    assert "[state-corrupt]" in mlgit("plan", cwd=applied.first).err
    repaired = mlgit("state", "repair", "--auto-approve", cwd=applied.first)
    assert repaired.out == "Every record of the live state can be read.\n", repaired.err
    assert mlgit("plan", cwd=applied.first).out.startswith("No changes. ")
    assert applied.live() == before


@pytest.mark.parametrize("path", [NUMBERS, NUMBERS.rpartition("/")[0], "current"])
def test_repair_replaces_a_lost_object_by_the_newest_good_copy(path, small, mlgit, opened):
    for name in ("jobs", "models", "environments"):
        shutil.rmtree(small / name)
    commit(small, "no job")
    assert mlgit(*APPLY, cwd=small).code == 0
    old_commit = git(small, "rev-parse", LIVE)
    commit(small, "another number", {"data/numbers.csv": "n\n9\n"})
    assert mlgit(*APPLY, cwd=small).code == 0
    delete_object(small, git(small, "rev-parse", f"{LIVE}:{path}"))
    assert "[state-corrupt]" in mlgit("plan", cwd=small).err
    repaired = mlgit("state", "repair", "--auto-approve", cwd=small)
    assert repaired.code == 0, repaired.err
    assert f"newest good copy is in {old_commit[:10]}" in repaired.out
    repository = opened(small)
    assert trees.read_file_at(repository, LIVE, NUMBERS) == trees.read_file_at(repository, old_commit, NUMBERS)
    assert mlgit(*APPLY, cwd=small).code == 0
    assert mlgit("plan", cwd=small).out.startswith("No changes. ")


def test_the_live_state_can_be_restored_to_a_commit_of_its_history(applied, mlgit, data, golden):
    old_commit = applied.live()
    data(applied.first, "more")
    assert mlgit(*APPLY, cwd=applied.first).code == 0
    restored = mlgit("state", "restore", old_commit, "--auto-approve", cwd=applied.first)
    golden("cli/sharing/state-restore.txt", restored.out + restored.err)
    git(applied.origin, "merge-base", "--is-ancestor", old_commit, applied.live())
    assert git(applied.origin, "diff", "--name-only", old_commit, applied.live()) == ""
    assert "data/more: version 1" in mlgit("plan", cwd=applied.first).out
    wrong = mlgit("state", "restore", "HEAD", "--auto-approve", cwd=applied.first)
    assert wrong.code == 1
    assert "[revision-unknown]" in wrong.err


def test_state_show_prints_the_location_and_the_age_of_the_state(applied, mlgit, golden):
    golden("cli/sharing/state-show.txt", mlgit("state", "show", cwd=applied.first).out)
    shutil.move(applied.origin, applied.folder / "away.git")
    shown = json.loads(mlgit("state", "show", "--format", "json", cwd=applied.first).out)
    assert shown["remote"] == "origin"
    assert "using the live state fetched" in shown["note"]
