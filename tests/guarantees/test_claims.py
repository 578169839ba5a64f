"""Tests of docs/guarantees.md on locks: which assets an apply may change, and how other writers are kept out."""

from __future__ import annotations

import json
import time

import pytest
from workspaces import APPLY, commit, edit, git, until

from reconciler.config.config import Config
from reconciler.model import Address, Lock
from reconciler.source import workspace as workspaces
from reconciler.state import lease_observations
from reconciler.state.lease import acquire_lock
from reconciler.state.lease_observations import LeaseObservations
from reconciler.state.store import StateStore


def test_before_acting_apply_pushes_its_claims(updated):
    """`mlgit apply` pushes its lock and its heartbeat before it acts, and removes both when it ends."""
    pushes = [push.keys() - {f"sources/{git(updated.folder, 'rev-parse', 'HEAD')}"} for push in updated.pushes()]
    first, *_, last = filter(None, pushes)
    beat = f"beat/{updated.claims()[0]['holder']}"
    assert first == {"claims", beat}
    assert any("live" in push for push in pushes)
    assert last == {"claims", beat}  # given back
    assert updated.refs().keys() >= {"live"}
    assert not {"claims", beat} & updated.refs().keys()


def test_a_claim_is_exclusive_on_what_apply_changes_and_shared_on_what_that_references(updated):
    """A lock is exclusive for the assets that the apply changes, and shared for the assets that these reference."""
    (claim,) = updated.claims()
    assert claim["exclusive"] == ["job/sum"]
    assert claim["shared"] == ["data/numbers", "environment/plain"]


def test_a_record_write_and_its_claim_check_are_one_atomic_push_with_leases_on_both_refs(updated, mlgit, commands):
    """A write of records and the check of the lock are one atomic push with a lease on both refs."""
    edit(updated.folder, "jobs/sum.yml", "adds up", "adds numbers up")
    commit(updated.folder)
    before = len(updated.pushes())
    assert mlgit(*APPLY, cwd=updated.folder).code == 0
    holder = updated.claims()[-1]["holder"]
    writes = [push for push in updated.pushes()[before:] if "live" in push]
    assert writes != []
    assert all(write.keys() == {"live", f"beat/{holder}"} and write[f"beat/{holder}"][0] for write in writes)
    pushed = [
        command
        for command in commands()
        if "push" in command and any(":refs/mlgit/small/default/live" in part for part in command)
    ]
    for command, moved in zip(pushed, writes, strict=True):
        leases = {f"--force-with-lease=refs/mlgit/small/default/{ref}:{old}" for ref, (old, _) in moved.items()}
        assert {"--atomic", *leases} <= {*command}


def lease_of(folder):
    workspace = workspaces.find_workspace(folder)
    _, tree = workspaces.tree_of_work_tree(workspace)
    config: Config = workspaces.read_config(tree)[1]
    workspace.repository.close()
    return config.lease


@pytest.mark.parametrize(("minutes", "over"), [(4, False), (6, True)])
def test_a_lease_ends_five_minutes_after_the_last_change_of_the_beat_was_seen(minutes, over, small, opened):
    """A lease expires five minutes after the last change of the heartbeat was observed."""
    home = StateStore(opened(small), "small", "1" * 32).ref_store
    claim = Lock("one", "ada", "there", "2026-01-01T00:00:00Z", exclusive=frozenset({Address("data", "a")}))
    held = acquire_lock(home, LeaseObservations(small / "seen.json", 0), lambda _others: claim).held_lock
    assert held
    seen = time.clock_gettime(lease_observations._CLOCK) - 60 * minutes
    (small / "seen.json").write_text(json.dumps({"one": [held.heartbeat, seen]}))
    taken = acquire_lock(home, LeaseObservations(small / "seen.json", lease_of(small)), lambda _others: None)
    assert [lock.holder for lock in taken.taken_over] == (["one"] if over else [])


# Says that it has begun, and adds up when the test says so.
_WAITING = """
import pathlib, sys, time
here = pathlib.Path({here!r})
(here / "begun").touch()
deadline = time.monotonic() + 60
while not (here / "go").exists() and time.monotonic() < deadline:
    time.sleep(0.02)
pathlib.Path(sys.argv[3], "total.txt").write_text("6")
"""


@pytest.mark.slow
def test_an_apply_that_waits_holds_no_claim(shared, mlgit_process):
    """An apply that only waits for runs holds no lock."""
    here = shared.folder.parent
    commit(shared.folder, "wait", {"src/sum.py": _WAITING.format(here=str(here))})
    process = mlgit_process(*APPLY, cwd=shared.folder)
    try:
        until((here / "begun").exists, 60)
        until(lambda: "claims" not in shared.refs())
        assert [ref for ref in shared.refs() if ref.startswith("beat/")] == []
        assert shared.claims() != []
        assert process.poll() is None
        (here / "go").touch()
        out, said = process.communicate(timeout=60)
        assert process.returncode == 0, out + said
    finally:
        process.kill()
        process.communicate()
