"""Writers that contend for one live state, here and at a remote: disjoint records merge, touched ones are refused."""

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
    """Clone the small workspace, with the bare repository as its remote."""

    def make(name):
        folder = tmp_path / name
        git(tmp_path, "clone", "--quiet", str(small), str(folder))
        git(folder, "remote", "set-url", "origin", f"file://{bare}")
        return StateStore(opened(folder), "small", LINEAGE, remote="origin")

    return make


@pytest.fixture(params=["here", "remote"])
def states(request, small, opened, clone):
    """Give two handles on one live state."""
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


def test_a_write_over_what_another_wrote_meanwhile_is_refused(states):
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


def test_of_two_who_begin_a_state_with_one_record_the_second_is_refused(states):
    one, two = states
    one.write(WriteBatch(current=(record("a", "ones"),)), "one", since="")
    with pytest.raises(UserError) as raised:
        two.write(WriteBatch(current=(record("a", "twos"), record("b"))), "two", since="")
    assert code(raised) == "state-conflict"
    two.write(WriteBatch(current=(record("b"),)), "two", since="")
    assert {item.name for item in two.read().current} == {"a", "b"}


def test_what_was_written_already_may_be_written_again(states):
    one, two = states
    since = one.write(WriteBatch(current=(record("a"),)), "a")
    two.ref_store.fetch()
    writes = WriteBatch(current=(record("a", "new"),))
    one.write(writes, "once", since=since)
    two.write(writes, "twice", since=since)
    assert two.read().current[Address("data", "a")].fingerprint == "new"


def test_what_was_applied_last_never_goes_back_to_an_older_commit_in_a_race(states, small):
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


def hammer(state, who, times):
    since = state.head_commit()
    for number in range(times):
        since = state.write(WriteBatch(current=(record(f"{who}-{number}"),)), f"{who} {number}", since=since)


@pytest.mark.slow
@pytest.mark.parametrize("writers", [2, pytest.param(8, marks=pytest.mark.soak)])
def test_nobody_starves_and_no_record_is_lost_over_a_remote(writers, clone):
    states = [clone(f"w{number}") for number in range(writers)]
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(lambda pair: hammer(pair[1], f"w{pair[0]}", 4), enumerate(states)))
    states[0].ref_store.fetch()
    names = {item.name for item in states[0].read().current}
    assert names == {f"w{writer}-{number}" for writer in range(writers) for number in range(4)}


@pytest.mark.slow
def test_processes_of_one_clone_do_not_trip_over_what_each_fetches(clone):
    clone("a").write(WriteBatch(current=(record("a"),)), "a")
    first = clone("many")
    handles = [open_repository(first.repository.top) for _ in range(4)]
    states = [StateStore(repository, "small", LINEAGE, remote="origin") for repository in handles]
    for state_store in states:
        state_store.ref_store.fetch()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: hammer(pair[1], f"w{pair[0]}", 3), enumerate(states)))
    assert len(states[0].read().current) == 13
    for handle in handles:
        handle.close()


# A push that breaks off after it arrived: the remote's end is killed once the refs have moved, before it says so.
_KILL = 'test "$1" = {moment} && test ! -e done && touch done && kill -9 "$PPID"; exit 0'


@pytest.mark.parametrize(("moment", "arrived"), [("committed", True), ("prepared", False)])
def test_a_push_that_broke_off_counts_as_done_where_it_arrived_and_loses_nothing_where_it_did_not(
    moment, arrived, bare, clone
):
    state = clone("a")
    since = state.write(WriteBatch(current=(record("a"),)), "a")
    hook = bare / "hooks" / "reference-transaction"
    hook.write_text(f"#!/bin/sh\n{_KILL.format(moment=moment)}\n")
    hook.chmod(0o755)
    if arrived:
        state.write(WriteBatch(current=(record("b"),)), "b", since=since)
    else:
        with pytest.raises(UserError) as raised:
            state.write(WriteBatch(current=(record("b"),)), "b", since=since)
        assert code(raised) in {"remote-unreachable", "remote-rejects"}
    assert (bare / "done").exists()
    for lock in bare.rglob("*.lock"):
        lock.unlink()  # what the kill has left behind is for who runs the remote to take away
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


def claim(holder, *exclusive, shared=(), process=None, since="2026-01-01T00:00:00Z"):
    mine, others = frozenset(map(address, exclusive)), frozenset(map(address, shared))
    return Lock(holder, "ada", "there", since, process=process or {}, exclusive=mine, shared=others)


def address(text):
    kind, _, name = text.partition("/")
    return Address(kind, name)


@pytest.mark.parametrize(
    ("theirs", "ours", "barred"),
    [
        (claim("a", "data/x"), (["data/x"], []), True),
        (claim("a", "data/x"), ([], ["data/x"]), True),
        (claim("a", shared=["data/x"]), (["data/x"], []), True),
        (claim("a", shared=["data/x"]), ([], ["data/x"]), False),
        (claim("a", "data/x", shared=["data/y"]), (["data/z"], ["data/y"]), False),
    ],
)
def test_what_is_changed_is_claimed_alone_and_what_is_read_is_shared(theirs, ours, barred):
    assert theirs.conflicts_with(*(list(map(address, our)) for our in ours)) is barred


@pytest.fixture
def observations(tmp_path):
    return LeaseObservations(tmp_path / "seen.json", 1000)


def test_a_claim_is_taken_kept_with_each_write_and_given_back(states, observations):
    one, two = states
    held = acquire_lock(one.ref_store, observations, lambda _others: claim("one", "data/a")).held_lock
    assert held
    one.write(WriteBatch(current=(record("a"),)), "a", held=held)
    met = []
    assert acquire_lock(two.ref_store, observations, met.append).held_lock is None
    assert [[*item] for item in met] == [["one"]]
    held.release()
    two.ref_store.fetch()
    assert two.ref_store.refs_below("").keys() == {"live"}


def test_who_has_lost_its_claim_can_write_nothing_whatever_the_clocks_say(states, observations):
    one, two = states
    held = acquire_lock(one.ref_store, observations, lambda _others: claim("one", "data/a")).held_lock
    taken = acquire_lock(two.ref_store, observations, lambda others: claim("two", "data/a"), ["one"])
    assert [lock.holder for lock in taken.taken_over] == ["one"]
    with pytest.raises(UserError) as raised:
        one.write(WriteBatch(current=(record("a"),)), "a", held=held)
    assert code(raised) == "lock-lost"
    held.release()
    two.ref_store.fetch()
    assert locks.read_locks(two.repository, two.ref_store.read_ref(locks.LOCKS_REF)).keys() == {"two"}
    assert two.ref_store.read_ref("live") == ""
    two.write(WriteBatch(current=(record("a"),)), "a", held=taken.held_lock)


def test_a_clock_of_another_day_makes_nobody_over(states, observations):
    one, two = states
    acquire_lock(one.ref_store, observations, lambda _others: claim("one", "data/a", since="1970-01-01T00:00:00Z"))
    assert acquire_lock(two.ref_store, observations, lambda _others: None).taken_over == ()
    acquire_lock(two.ref_store, observations, lambda _others: claim("two", "data/b", since="2999-01-01T00:00:00Z"))
    short = LeaseObservations(observations.path, 0)  # the lease is over by what was seen here
    assert {lock.holder for lock in acquire_lock(two.ref_store, short, lambda _others: None).taken_over} == {
        "one",
        "two",
    }


def test_a_lease_counts_from_the_last_beat_that_was_seen(tmp_path):
    observed = LeaseObservations(tmp_path / "seen.json", 1)
    first = observed.observe_heartbeats({"a": "1"})["a"]
    threading.Event().wait(0.05)
    assert observed.observe_heartbeats({"a": "1"})["a"] >= first + 0.05
    assert observed.observe_heartbeats({"a": "2"})["a"] == 0
    (tmp_path / "seen.json").write_text("torn")
    assert observed.observe_heartbeats({"a": "2"})["a"] == 0


def test_a_claim_whose_beat_was_not_fetched_with_it_is_not_taken_over_before_its_lease(states, observations):
    one, two = states
    acquire_lock(one.ref_store, observations, lambda _others: claim("one", "data/a"))
    beat = one.ref_store.read_ref("beat/one")
    assert one.ref_store.compare_and_swap(RefUpdate("beat/one", "", beat))
    assert acquire_lock(two.ref_store, observations, lambda _others: None).taken_over == ()


def test_a_beat_that_arrived_though_its_push_seemed_to_fail_is_no_lost_claim(states, observations):
    one, _ = states
    held = acquire_lock(one.ref_store, observations, lambda _others: claim("one", "data/a")).held_lock
    with held.fenced() as fence:
        (beat,) = refs.create_commits(one.repository, [held.next_heartbeat_commit()])
        assert one.ref_store.compare_and_swap(fence(beat))  # and mlgit does not learn of it
    one.write(WriteBatch(current=(record("a"),)), "a", held=held)
    held.release()
    assert one.ref_store.refs_below(lease.HEARTBEAT_PREFIX) == {}


def test_what_a_newer_mlgit_put_into_the_claim_of_another_is_kept(states, observations):
    one, two = states
    acquire_lock(one.ref_store, observations, lambda _others: claim("one", "data/a"))
    known = one.ref_store.read_ref(locks.LOCKS_REF)
    raw = locks.lock_file_changes((), claim("one", "data/a"))["one.json"].replace(b"{", b'{"newer": 1, ', 1)
    made = refs.create_commits(one.repository, [NewCommit(known, {"one.json": raw}, "newer")])[0]
    assert one.ref_store.compare_and_swap(RefUpdate(locks.LOCKS_REF, made, known))
    acquire_lock(two.ref_store, observations, lambda _others: claim("two", "data/b")).held_lock.release()
    two.ref_store.fetch()
    shown = two.repository.git("show", f"{two.ref_store.ref_name(locks.LOCKS_REF)}:one.json")
    assert '"newer": 1' in shown


def test_a_torn_line_of_a_journal_is_passed_over(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"event": "begun", "holder": "a"})
    journal.append({"event": "begun", "holder": "b"})
    journal.path.write_bytes(journal.path.read_bytes()[:-5])
    journal.append({"event": "begun", "holder": "c"})
    assert [*journal.interrupted_applies()] == ["a", "c"]
    journal.append({"event": "ended", "holder": "a"})
    assert [*journal.interrupted_applies()] == ["c"]
