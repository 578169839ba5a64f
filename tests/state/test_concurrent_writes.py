"""Concurrent writes and locks of one live state, local and at a remote: disjoint records merge, others conflict."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from workspaces import git

from reconciler.diagnostics import UserError
from reconciler.git import refs
from reconciler.git.refs import NewCommit, RefUpdate
from reconciler.git.repository import open_repository
from reconciler.model import Address, Lock, Record
from reconciler.state import lease, locks
from reconciler.state.journal import Journal
from reconciler.state.lease import acquire_lock
from reconciler.state.lease_observations import LeaseObservations
from reconciler.state.store import StateStore, WriteBatch

LINEAGE = "1" * 32


def record(name: str, fingerprint: str = "f") -> Record:
    return Record(Address("data", name), {}, fingerprint, "m", 1, version="1")


@pytest.fixture
def bare(tmp_path):
    folder = tmp_path / "bare.git"
    git(tmp_path, "init", "--quiet", "--bare", "--shared", str(folder))
    return folder


@pytest.fixture
def clone(small, bare, tmp_path, opened):
    """Return a function that clones the small workspace; the bare repository is its remote."""

    def make(name):
        folder = tmp_path / name
        git(tmp_path, "clone", "--quiet", str(small), str(folder))
        git(folder, "remote", "set-url", "origin", f"file://{bare}")
        return StateStore(opened(folder), "small", LINEAGE, remote="origin")

    return make


@pytest.fixture(params=["here", "remote"])
def states(request, small, opened, clone):
    """Return two stores of one live state, local or at a remote."""
    if request.param == "remote":
        return clone("a"), clone("b")
    return tuple(StateStore(opened(small), "small", LINEAGE) for _ in range(2))


def code(raised):
    return raised.value.diagnostics[0].code


def test_writes_of_different_records_both_end_in_the_state(states):
    one, two = states
    since = one.write(WriteBatch(current=(record("a"),)), "a")
    two.ref_store.fetch()
    one.write(WriteBatch(current=(record("b"),)), "b", since=since)
    two.write(WriteBatch(current=(record("c"),)), "c", since=since)
    one.ref_store.fetch()
    assert {item.name for item in one.read().current} == {"a", "b", "c"}
    assert [item.message for item in one.history(9)] == ["c", "b", "a"]


def test_a_write_of_a_record_that_another_writer_changed_is_refused(states):
    one, two = states
    since = one.write(WriteBatch(current=(record("a"),)), "a")
    two.ref_store.fetch()
    one.write(WriteBatch(current=(record("a", "ones"),)), "one", since=since)
    with pytest.raises(UserError) as raised:
        two.write(WriteBatch(current=(record("a", "twos"),)), "two", since=since)
    assert code(raised) == "state-conflict"
    assert "data/a: changed by another" in str(raised.value)
    two.ref_store.fetch()
    assert two.read().current[Address("data", "a")].fingerprint == "ones"


def test_the_second_of_two_first_writes_of_one_record_is_refused(states):
    one, two = states
    one.write(WriteBatch(current=(record("a", "ones"),)), "one", since="")
    with pytest.raises(UserError) as raised:
        two.write(WriteBatch(current=(record("a", "twos"), record("b"))), "two", since="")
    assert code(raised) == "state-conflict"
    two.write(WriteBatch(current=(record("b"),)), "two", since="")
    assert {item.name for item in two.read().current} == {"a", "b"}


def test_the_same_write_succeeds_a_second_time(states):
    one, two = states
    since = one.write(WriteBatch(current=(record("a"),)), "a")
    two.ref_store.fetch()
    writes = WriteBatch(current=(record("a", "new"),))
    one.write(writes, "once", since=since)
    two.write(writes, "twice", since=since)
    assert two.read().current[Address("data", "a")].fingerprint == "new"


def test_the_applied_commit_never_goes_back_to_an_older_one_in_a_race(states, small):
    one, two = states
    old = one.repository.head()
    new = one.repository.commit_tree(one.repository.tree_of(old), old, "newer")
    git(two.repository.top, "fetch", "--quiet", str(one.repository.top), new) if one.remote else None
    since = one.write(WriteBatch(current=(record("a"),), meta={"applied": old}), "a")
    two.ref_store.fetch()
    two.write(WriteBatch(current=(record("b"),), meta={"applied": new}), "b", since=since)
    one.write(WriteBatch(current=(record("c"),), meta={"applied": old}), "c", since=since)
    assert one.read().applied_commit == new
    assert len(one.read().current) == 3


def write_many(state, writer, times):
    since = state.head_commit()
    for number in range(times):
        since = state.write(WriteBatch(current=(record(f"{writer}-{number}"),)), f"{writer} {number}", since=since)


@pytest.mark.slow
@pytest.mark.parametrize("writers", [2, pytest.param(8, marks=pytest.mark.soak)])
def test_every_writer_succeeds_and_no_record_is_lost_over_a_remote(writers, clone):
    states = [clone(f"w{number}") for number in range(writers)]
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(lambda pair: write_many(pair[1], f"w{pair[0]}", 4), enumerate(states)))
    states[0].ref_store.fetch()
    names = {item.name for item in states[0].read().current}
    assert names == {f"w{writer}-{number}" for writer in range(writers) for number in range(4)}


@pytest.mark.slow
def test_concurrent_processes_of_one_clone_fetch_and_write_without_errors(clone):
    clone("a").write(WriteBatch(current=(record("a"),)), "a")
    first = clone("many")
    repositories = [open_repository(first.repository.top) for _ in range(4)]
    states = [StateStore(repository, "small", LINEAGE, remote="origin") for repository in repositories]
    for state_store in states:
        state_store.ref_store.fetch()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: write_many(pair[1], f"w{pair[0]}", 3), enumerate(states)))
    assert len(states[0].read().current) == 13
    for repository in repositories:
        repository.close()


# A push that is interrupted after it arrived: the remote's process is killed once the refs are updated.
_KILL = 'test "$1" = {hook_state} && test ! -e done && touch done && kill -9 "$PPID"; exit 0'


@pytest.mark.parametrize(("hook_state", "arrived"), [("committed", True), ("prepared", False)])
def test_an_interrupted_push_counts_as_done_if_it_arrived_and_loses_nothing_if_not(hook_state, arrived, bare, clone):
    state = clone("a")
    since = state.write(WriteBatch(current=(record("a"),)), "a")
    hook = bare / "hooks" / "reference-transaction"
    hook.write_text(f"#!/bin/sh\n{_KILL.format(hook_state=hook_state)}\n")
    hook.chmod(0o755)
    if arrived:
        state.write(WriteBatch(current=(record("b"),)), "b", since=since)
    else:
        with pytest.raises(UserError) as raised:
            state.write(WriteBatch(current=(record("b"),)), "b", since=since)
        assert code(raised) in {"remote-unreachable", "remote-rejects"}
    assert (bare / "done").exists()
    for lock in bare.rglob("*.lock"):
        lock.unlink()  # a killed Git leaves its lock files; the administrator of the remote deletes them
    state.write(WriteBatch(current=(record("c"),)), "c", since=state.head_commit())
    state.ref_store.fetch()
    assert {item.name for item in state.read().current} == {"a", "c"} | ({"b"} if arrived else set())


def test_a_post_receive_hook_that_fails_changes_nothing(bare, clone):
    hook = bare / "hooks" / "post-receive"
    hook.write_text('#!/bin/sh\necho "error: no mail" >&2\nkill -9 "$PPID"\nexit 1\n')
    hook.chmod(0o755)
    state = clone("a")
    since = None
    for name in ("a", "b"):
        since = state.write(WriteBatch(current=(record(name),)), name, since=since)
    assert {item.name for item in state.read().current} == {"a", "b"}


def make_lock(holder, *exclusive, shared=(), process=None, since="2026-01-01T00:00:00Z"):
    own_exclusive, others = frozenset(map(address, exclusive)), frozenset(map(address, shared))
    return Lock(holder, "ada", "there", since, process=process or {}, exclusive=own_exclusive, shared=others)


def address(text):
    kind, _, name = text.partition("/")
    return Address(kind, name)


@pytest.mark.parametrize(
    ("theirs", "ours", "conflicts"),
    [
        (make_lock("a", "data/x"), (["data/x"], []), True),
        (make_lock("a", "data/x"), ([], ["data/x"]), True),
        (make_lock("a", shared=["data/x"]), (["data/x"], []), True),
        (make_lock("a", shared=["data/x"]), ([], ["data/x"]), False),
        (make_lock("a", "data/x", shared=["data/y"]), (["data/z"], ["data/y"]), False),
    ],
)
def test_locks_on_changed_assets_are_exclusive_and_on_read_ones_shared(theirs, ours, conflicts):
    assert theirs.conflicts_with(*(list(map(address, our)) for our in ours)) is conflicts


@pytest.fixture
def observations(tmp_path):
    return LeaseObservations(tmp_path / "seen.json", 1000)


def test_a_lock_is_acquired_kept_by_each_write_and_released(states, observations):
    one, two = states
    held_lock = acquire_lock(one.ref_store, observations, lambda _others: make_lock("one", "data/a")).held_lock
    assert held_lock
    one.write(WriteBatch(current=(record("a"),)), "a", held=held_lock)
    conflicting_holders = []
    assert acquire_lock(two.ref_store, observations, conflicting_holders.append).held_lock is None
    assert [[*item] for item in conflicting_holders] == [["one"]]
    held_lock.release()
    two.ref_store.fetch()
    assert two.ref_store.refs_below("").keys() == {"live"}


def test_a_former_holder_can_write_nothing_whatever_the_clocks_say(states, observations):
    one, two = states
    held_lock = acquire_lock(one.ref_store, observations, lambda _others: make_lock("one", "data/a")).held_lock
    acquisition = acquire_lock(two.ref_store, observations, lambda others: make_lock("two", "data/a"), ["one"])
    assert [lock.holder for lock in acquisition.taken_over] == ["one"]
    with pytest.raises(UserError) as raised:
        one.write(WriteBatch(current=(record("a"),)), "a", held=held_lock)
    assert code(raised) == "lock-lost"
    held_lock.release()
    two.ref_store.fetch()
    assert locks.read_locks(two.repository, two.ref_store.read_ref(locks.LOCKS_REF)).keys() == {"two"}
    assert two.ref_store.read_ref("live") == ""
    two.write(WriteBatch(current=(record("a"),)), "a", held=acquisition.held_lock)


def test_no_lease_expires_because_of_the_clock_of_another_machine(states, observations):
    one, two = states
    acquire_lock(one.ref_store, observations, lambda _others: make_lock("one", "data/a", since="1970-01-01T00:00:00Z"))
    assert acquire_lock(two.ref_store, observations, lambda _others: None).taken_over == ()
    acquire_lock(two.ref_store, observations, lambda _others: make_lock("two", "data/b", since="2999-01-01T00:00:00Z"))
    short = LeaseObservations(observations.path, 0)  # the lease is over by what was seen here
    assert {lock.holder for lock in acquire_lock(two.ref_store, short, lambda _others: None).taken_over} == {
        "one",
        "two",
    }


def test_a_lease_counts_from_the_last_heartbeat_that_was_observed(tmp_path):
    observed = LeaseObservations(tmp_path / "seen.json", 1)
    first = observed.observe_heartbeats({"a": "1"})["a"]
    threading.Event().wait(0.05)
    assert observed.observe_heartbeats({"a": "1"})["a"] >= first + 0.05
    assert observed.observe_heartbeats({"a": "2"})["a"] == 0
    (tmp_path / "seen.json").write_text("torn")
    assert observed.observe_heartbeats({"a": "2"})["a"] == 0


def test_a_lock_whose_heartbeat_was_not_fetched_is_not_taken_over_before_its_lease_expires(states, observations):
    one, two = states
    acquire_lock(one.ref_store, observations, lambda _others: make_lock("one", "data/a"))
    heartbeat = one.ref_store.read_ref("heartbeat/one")
    assert one.ref_store.compare_and_swap(RefUpdate("heartbeat/one", "", heartbeat))
    assert acquire_lock(two.ref_store, observations, lambda _others: None).taken_over == ()


def test_a_lock_is_not_lost_if_the_push_of_its_heartbeat_fails_after_it_arrived(states, observations):
    one, _ = states
    held_lock = acquire_lock(one.ref_store, observations, lambda _others: make_lock("one", "data/a")).held_lock
    with held_lock.fenced() as fence:
        (heartbeat,) = refs.create_commits(one.repository, [held_lock.next_heartbeat_commit()])
        assert one.ref_store.compare_and_swap(fence(heartbeat))  # and mlgit does not learn of it
    one.write(WriteBatch(current=(record("a"),)), "a", held=held_lock)
    held_lock.release()
    assert one.ref_store.refs_below(lease.HEARTBEAT_PREFIX) == {}


def test_unknown_keys_in_the_lock_of_another_apply_are_kept(states, observations):
    one, two = states
    acquire_lock(one.ref_store, observations, lambda _others: make_lock("one", "data/a"))
    base = one.ref_store.read_ref(locks.LOCKS_REF)
    raw = locks.lock_file_changes((), make_lock("one", "data/a"))["one.json"].replace(b"{", b'{"newer": 1, ', 1)
    commit = refs.create_commits(one.repository, [NewCommit(base, {"one.json": raw}, "newer")])[0]
    assert one.ref_store.compare_and_swap(RefUpdate(locks.LOCKS_REF, commit, base))
    acquire_lock(two.ref_store, observations, lambda _others: make_lock("two", "data/b")).held_lock.release()
    two.ref_store.fetch()
    shown = two.repository.git("show", f"{two.ref_store.ref_name(locks.LOCKS_REF)}:one.json")
    assert '"newer": 1' in shown


def test_an_incomplete_line_of_a_journal_is_skipped(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"event": "begun", "holder": "a"})
    journal.append({"event": "begun", "holder": "b"})
    journal.path.write_bytes(journal.path.read_bytes()[:-5])
    journal.append({"event": "begun", "holder": "c"})
    assert [*journal.interrupted_applies()] == ["a", "c"]
    journal.append({"event": "ended", "holder": "a"})
    assert [*journal.interrupted_applies()] == ["c"]
