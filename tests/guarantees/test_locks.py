"""Tests of docs/guarantees.md on locks: which assets an apply may change, and how other writers are kept out."""

from __future__ import annotations

import json
import time

import pytest
from workspaces import APPLY, commit, edit, git, until

from reconciler.config.config import Config
from reconciler.model import Address, Lock
from reconciler.source.workspace import find_workspace, read_config, tree_of_work_tree
from reconciler.state import lease_observations
from reconciler.state.lease import acquire_lock
from reconciler.state.lease_observations import LeaseObservations
from reconciler.state.store import StateStore


def test_an_apply_pushes_its_lock_before_it_acts_and_removes_it(updated):
    """`mlgit apply` pushes its lock and its heartbeat before it acts, and removes both when it ends."""
    pushes = [push.keys() - {f"sources/{git(updated.folder, 'rev-parse', 'HEAD')}"} for push in updated.pushes()]
    first, *_, last = filter(None, pushes)
    heartbeat = f"heartbeat/{updated.locks()[0]['holder']}"
    assert first == {"locks", heartbeat}
    assert any("live" in push for push in pushes)
    assert last == {"locks", heartbeat}  # removed again
    assert updated.refs().keys() >= {"live"}
    assert not {"locks", heartbeat} & updated.refs().keys()


def test_a_lock_is_exclusive_for_changed_assets_and_shared_for_referenced_ones(updated):
    """A lock is exclusive for the assets that the apply changes, and shared for the assets that these reference."""
    (lock,) = updated.locks()
    assert lock["exclusive"] == ["job/sum"]
    assert lock["shared"] == ["data/numbers", "environment/plain"]


def test_a_write_of_records_and_the_check_of_the_lock_are_one_atomic_push(updated, mlgit, commands):
    """A write of records and the check of the lock are one atomic push with a lease on both refs."""
    edit(updated.folder, "jobs/sum.yml", "adds up", "adds numbers up")
    commit(updated.folder)
    before = len(updated.pushes())
    assert mlgit(*APPLY, cwd=updated.folder).code == 0
    holder = updated.locks()[-1]["holder"]
    writes = [push for push in updated.pushes()[before:] if "live" in push]
    assert writes != []
    assert all(write.keys() == {"live", f"heartbeat/{holder}"} and write[f"heartbeat/{holder}"][0] for write in writes)
    pushed = [
        command
        for command in commands()
        if "push" in command and any(":refs/mlgit/small/default/live" in part for part in command)
    ]
    for command, moved in zip(pushed, writes, strict=True):
        leases = {f"--force-with-lease=refs/mlgit/small/default/{ref}:{old}" for ref, (old, _) in moved.items()}
        assert {"--atomic", *leases} <= {*command}


def lease_of(folder):
    workspace = find_workspace(folder)
    _, tree = tree_of_work_tree(workspace)
    config: Config = read_config(tree)[0]
    workspace.repository.close()
    return config.lease


@pytest.mark.parametrize(("minutes", "expires"), [(4, False), (6, True)])
def test_a_lease_expires_five_minutes_after_the_last_observed_heartbeat(minutes, expires, small, opened):
    """A lease expires five minutes after the last change of the heartbeat was observed."""
    ref_store = StateStore(opened(small), "small", "1" * 32).ref_store
    own_lock = Lock("one", "ada", "there", "2026-01-01T00:00:00Z", exclusive=frozenset({Address("data", "a")}))
    held_lock = acquire_lock(ref_store, LeaseObservations(small / "seen.json", 0), lambda _others: own_lock).held_lock
    assert held_lock
    observed = time.clock_gettime(lease_observations._CLOCK) - 60 * minutes
    (small / "seen.json").write_text(json.dumps({"one": [held_lock.heartbeat, observed]}))
    acquisition = acquire_lock(ref_store, LeaseObservations(small / "seen.json", lease_of(small)), lambda _others: None)
    assert [lock.holder for lock in acquisition.taken_over] == (["one"] if expires else [])


# Creates the file `begun`, and adds up once the test has created the file `go`.
_WAITING = """
import pathlib, sys, time
folder = pathlib.Path({folder!r})
(folder / "begun").touch()
deadline = time.monotonic() + 300
while not (folder / "go").exists() and time.monotonic() < deadline:
    time.sleep(0.02)
pathlib.Path(sys.argv[3], "total.txt").write_text("6")
"""


@pytest.mark.slow
def test_an_apply_that_waits_for_runs_holds_no_lock(shared, mlgit_process):
    """An apply that only waits for runs holds no lock."""
    folder = shared.folder.parent
    commit(shared.folder, "wait", {"src/sum.py": _WAITING.format(folder=str(folder))})
    process = mlgit_process(*APPLY, cwd=shared.folder)
    try:
        until((folder / "begun").exists)
        until(lambda: "locks" not in shared.refs())
        assert [ref for ref in shared.refs() if ref.startswith("heartbeat/")] == []
        assert shared.locks() != []
        assert process.poll() is None
        (folder / "go").touch()
        out, errors = process.communicate(timeout=180)
        assert process.returncode == 0, out + errors
    finally:
        process.kill()
        process.communicate()
