"""What is said where a remote, or the live state that it keeps, is not as it should be."""

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
    """Give a team whose first clone has applied."""
    ended = mlgit(*APPLY, cwd=without_job.first)
    assert ended.code == 0, ended.err
    return without_job


def put(team, path, content):
    """Write a file into the live state at the remote, past mlgit."""
    git(team.first, "fetch", "--quiet", "origin", f"+{LIVE}:refs/by-hand")
    repository = open_repository(team.first)
    made = refs.commit_files(repository, repository.resolve("refs/by-hand"), {path: content}, "by hand")
    repository.close()
    git(team.first, "push", "--quiet", "origin", f"{made}:{LIVE}")
    return made


def test_a_remote_that_refuses_the_ref_is_quoted(without_job, mlgit, golden):
    without_job.hook("pre-receive", 'grep -q refs/mlgit && echo "refs/mlgit is not for you" >&2 && exit 1; exit 0')
    ended = mlgit(*APPLY, cwd=without_job.first)
    assert ended.code == 1
    golden("cli/sharing/remote-rejects.txt", ended.err)
    assert without_job.live() == ""
    assert without_job.held() == []


def test_a_remote_that_takes_no_atomic_push_is_told(without_job, mlgit):
    git(without_job.origin, "config", "receive.advertiseAtomic", "false")
    ended = mlgit(*APPLY, cwd=without_job.first)
    assert ended.code == 1
    assert "[remote-rejects]" in ended.err
    assert "atomic" in ended.err


def test_without_network_a_plan_falls_back_to_what_is_known_and_says_how_old_that_is(applied, mlgit, data, golden):
    shutil.move(applied.origin, applied.folder / "away.git")
    known = next(path for path in (applied.first / ".git/mlgit").iterdir() if path.name.startswith("fetched-"))
    then = time.time() - 7300
    os.utime(known, (then, then))
    data(applied.first, "more")
    plan = mlgit("plan", cwd=applied.first)
    assert plan.code == 0
    golden("cli/sharing/plan-without-network.txt", plan.out)
    for command in ("status", "log", "unlock"):
        asked = mlgit(command, cwd=applied.first)
        assert asked.code == 0
        assert "using the live state fetched 2 hours ago" in asked.err
    ended = mlgit(*APPLY, cwd=applied.first)
    assert ended.code == 1
    golden("cli/sharing/apply-without-network.txt", ended.err)
    shutil.move(applied.folder / "away.git", applied.origin)
    assert mlgit(*APPLY, cwd=applied.first).code == 0


def test_without_network_a_clone_that_knows_nothing_yet_cannot_plan(applied, mlgit):
    other = applied.clone("other")
    shutil.move(applied.origin, applied.folder / "away.git")
    ended = mlgit("plan", cwd=other)
    assert ended.code == 1
    assert "[remote-unreachable]" in ended.err


def test_a_remote_that_the_clone_does_not_have_is_named(without_job, mlgit, golden):
    git(without_job.first, "remote", "rename", "origin", "upstream")
    ended = mlgit("plan", cwd=without_job.first)
    assert ended.code == 1
    golden("cli/sharing/remote-unknown.txt", ended.err)


@pytest.mark.parametrize("url", ["https://example.org/x.git", "ext::sh -c id", "--upload-pack=id", "../origin.git"])
def test_an_url_in_place_of_a_remotes_name_is_refused_at_its_line(url, without_job, mlgit):
    text = (without_job.first / "mlgit.yml").read_text()
    commit(without_job.first, "url", {"mlgit.yml": text.replace("remote: origin", f"remote: {json.dumps(url)}")})
    ended = mlgit("plan", cwd=without_job.first)
    assert ended.code == 1
    assert "mlgit.yml:1:" in ended.err
    assert "the name of a remote, as `git remote` lists it; never a URL" in ended.err


def test_the_state_of_another_workspace_is_never_taken_for_ones_own(applied, mlgit, golden):
    text = (applied.first / "mlgit.yml").read_text()
    commit(applied.first, "other", {"mlgit.yml": text.replace("1" * 32, "2" * 32)})
    before = applied.live()
    for command in (("plan",), APPLY):
        ended = mlgit(*command, cwd=applied.first)
        assert ended.code == 1
        golden("cli/sharing/state-foreign.txt", ended.err)
    assert applied.live() == before


def test_the_state_of_a_newer_mlgit_is_left_alone(applied, mlgit, golden):
    put(applied, paths.META_PATH, json.dumps({"format": 99, "lineage": "1" * 32}).encode())
    before = applied.live()
    for command in (("plan",), APPLY, ("state", "migrate")):
        ended = mlgit(*command, cwd=applied.first)
        assert ended.code == 1
        golden("cli/sharing/state-newer.txt", ended.err)
    assert applied.live() == before


def test_a_live_state_that_vanished_is_no_empty_workspace_and_can_be_put_back(applied, mlgit, golden):
    before = applied.live()
    git(applied.origin, "update-ref", "-d", LIVE)
    for _ in range(2):  # also when it has been seen before
        ended = mlgit("plan", cwd=applied.first)
        assert ended.code == 1
        golden("cli/sharing/state-vanished.txt", ended.err)
    assert mlgit(*APPLY, cwd=applied.first).code == 1
    assert applied.live() == ""
    back = mlgit("state", "restore", "--auto-approve", cwd=applied.first)
    golden("cli/sharing/state-put-back.txt", back.out + back.err)
    assert applied.live() == before
    assert mlgit("plan", cwd=applied.first).out.startswith("No changes. ")
    again = mlgit("state", "restore", "--auto-approve", cwd=applied.first)
    assert again.code == 1
    assert "[state-there]" in again.err


def test_a_record_that_cannot_be_read_is_named_and_its_newest_good_copy_put_back(applied, mlgit, golden):
    put(applied, NUMBERS, b"{ no record")
    ended = mlgit("plan", cwd=applied.first)
    assert ended.code == 1
    golden("cli/sharing/state-corrupt.txt", ended.err)
    mended = mlgit("state", "repair", "--auto-approve", cwd=applied.first)
    golden("cli/sharing/state-repair.txt", mended.out + mended.err)
    assert mlgit("plan", cwd=applied.first).out.startswith("No changes. ")
    assert mlgit("state", "repair", cwd=applied.first).out == "Every record of the live state can be read.\n"


def test_meta_data_that_never_was_good_are_written_anew(applied, mlgit):
    git(applied.origin, "update-ref", "-d", LIVE)
    root = git(applied.first, "commit-tree", "-m", "x", git(applied.first, "mktree", "--missing"))
    git(applied.first, "push", "--quiet", "origin", f"{root}:{LIVE}")
    put(applied, paths.META_PATH, b"no")
    assert mlgit("state", "restore", "--accept-remote", "--auto-approve", cwd=applied.first).code == 0
    assert "[state-corrupt]" in mlgit("plan", cwd=applied.first).err
    assert mlgit("state", "repair", "--auto-approve", cwd=applied.first).code == 0
    assert mlgit("plan", cwd=applied.first).out.startswith("Plan: 2 changes")


def lose(folder, oid):
    """Take an object away from a clone, wherever it keeps it."""
    packs = folder / ".git/objects/pack"
    for pack in packs.glob("*.pack"):
        moved = shutil.move(pack, folder / pack.name)
        for beside in packs.glob(f"{pack.stem}.*"):
            beside.unlink()
        with Path(moved).open("rb") as file:
            subprocess.run(["git", "unpack-objects", "-q"], cwd=folder, stdin=file, check=True)
    (folder / ".git/objects" / oid[:2] / oid[2:]).unlink()


@pytest.mark.parametrize("what", [NUMBERS, NUMBERS.rpartition("/")[0], "current"])
def test_an_object_that_this_clone_has_lost_is_fetched_again(what, applied, mlgit):
    before = applied.live()
    lose(applied.first, git(applied.first, "rev-parse", f"{before}:{what}"))
    assert "[state-corrupt]" in mlgit("plan", cwd=applied.first).err
    mended = mlgit("state", "repair", "--auto-approve", cwd=applied.first)
    assert mended.out == "Every record of the live state can be read.\n", mended.err
    assert mlgit("plan", cwd=applied.first).out.startswith("No changes. ")
    assert applied.live() == before


@pytest.mark.parametrize("what", [NUMBERS, NUMBERS.rpartition("/")[0], "current"])
def test_an_object_that_is_lost_for_good_is_replaced_by_the_newest_good_copy(what, small, mlgit, opened):
    for name in ("jobs", "models", "environments"):
        shutil.rmtree(small / name)
    commit(small, "no job")
    assert mlgit(*APPLY, cwd=small).code == 0
    then = git(small, "rev-parse", LIVE)
    commit(small, "another number", {"data/numbers.csv": "n\n9\n"})
    assert mlgit(*APPLY, cwd=small).code == 0
    lose(small, git(small, "rev-parse", f"{LIVE}:{what}"))
    assert "[state-corrupt]" in mlgit("plan", cwd=small).err
    mended = mlgit("state", "repair", "--auto-approve", cwd=small)
    assert mended.code == 0, mended.err
    assert f"newest good copy is in {then[:10]}" in mended.out
    repository = opened(small)
    assert trees.read_file_at(repository, LIVE, NUMBERS) == trees.read_file_at(repository, then, NUMBERS)
    assert mlgit(*APPLY, cwd=small).code == 0
    assert mlgit("plan", cwd=small).out.startswith("No changes. ")


def test_the_live_state_can_be_put_back_to_a_commit_of_its_history(applied, mlgit, data, golden):
    then = applied.live()
    data(applied.first, "more")
    assert mlgit(*APPLY, cwd=applied.first).code == 0
    back = mlgit("state", "restore", then, "--auto-approve", cwd=applied.first)
    golden("cli/sharing/state-restore.txt", back.out + back.err)
    git(applied.origin, "merge-base", "--is-ancestor", then, applied.live())
    assert git(applied.origin, "diff", "--name-only", then, applied.live()) == ""
    assert "data/more: version 1" in mlgit("plan", cwd=applied.first).out
    wrong = mlgit("state", "restore", "HEAD", "--auto-approve", cwd=applied.first)
    assert wrong.code == 1
    assert "[revision-unknown]" in wrong.err


def test_there_is_nothing_to_migrate_in_the_newest_format(applied, mlgit):
    before = applied.live()
    ended = mlgit("state", "migrate", cwd=applied.first)
    assert (ended.code, ended.err) == (0, "")
    assert "nothing to do" in ended.out
    assert applied.live() == before


def test_state_show_says_where_the_state_is_and_how_new(applied, mlgit, golden):
    golden("cli/sharing/state-show.txt", mlgit("state", "show", cwd=applied.first).out)
    shutil.move(applied.origin, applied.folder / "away.git")
    shown = json.loads(mlgit("state", "show", "--format", "json", cwd=applied.first).out)
    assert shown["remote"] == "origin"
    assert "using the live state fetched" in shown["note"]
