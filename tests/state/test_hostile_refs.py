"""Refs with hostile content, as anyone with push access can write: it is never executed and never trusted."""

from __future__ import annotations

import json

import pytest
from workspaces import git

from reconciler.diagnostics import UserError
from reconciler.git import history, refs, trees
from reconciler.model import Address, Record
from reconciler.state import codec, locks
from reconciler.state.store import STATE_FORMAT, StateStore, WriteBatch

LINEAGE = "1" * 32
EVIL = "x.json\n\nreset refs/heads/victim\nfrom {}\n\nD y"


@pytest.fixture
def state(small, opened):
    return StateStore(opened(small), "small", LINEAGE)


def branches(state):
    return git(state.repository.top, "for-each-ref", "--format=%(refname)", "refs/heads").split()


def test_commands_in_a_path_are_not_executed(state):
    path = EVIL.format(state.repository.head())
    commit = refs.commit_files(state.repository, "", {path: b"1", 'a"b\\c': b"2"}, "hostile")
    assert set(trees.list_files(state.repository, commit)) == {path, 'a"b\\c'}
    without = refs.commit_files(state.repository, commit, {path: None}, "gone")
    assert set(trees.list_files(state.repository, without)) == {'a"b\\c'}
    assert not [branch for branch in branches(state) if "victim" in branch]


@pytest.mark.parametrize("holder", [EVIL, "other", "../live", ""])
def test_a_lock_whose_holder_is_not_that_of_its_file_is_corrupt(holder, state):
    plain = locks.lock_to_json(locks.Lock("abc", "eve", "there", "now"))
    raw = json.dumps({**plain, "holder": holder}).encode()
    commit = refs.commit_files(state.repository, "", {"abc.json": raw}, "hostile")
    with pytest.raises(UserError, match=r"the lock abc\.json cannot be read"):
        locks.read_locks(state.repository, commit)


def test_an_object_name_with_a_line_break_is_refused(state):
    with pytest.raises(trees.MissingObjectError):
        trees.read_blob(state.repository, f"HEAD:a\n{state.repository.head()}")
    with pytest.raises(trees.MissingObjectError):
        trees.read_blobs(state.repository, ["HEAD\nHEAD"])


def test_a_commit_message_can_contain_any_text(state):
    message = "apply: one\x1e\x1ftwo\n\nthree\x1f"
    commit = refs.commit_files(state.repository, "", {"a": b"1"}, message)
    (entry,) = history.log_commits(state.repository, commit, 5)
    assert entry.message == message.strip()


@pytest.mark.parametrize("field", ["spec", "contents", "version", "seq", "archived"])
@pytest.mark.parametrize("value", [None, 5, "x", [1], {"a": 1}])
def test_a_record_with_a_field_of_a_wrong_type_is_damaged(field, value):
    good = json.loads(
        codec.encode_record(Record(Address("data", "d"), {"type": "uri_file"}, "f", "m", 1, version="1", seq=1))
    )
    types = {"spec": dict, "contents": dict, "version": str, "seq": int, "archived": bool}
    if isinstance(value, types[field]):
        return
    with pytest.raises((ValueError, TypeError, AttributeError, LookupError)):
        codec.decode_record(json.dumps({**good, field: value}).encode())


@pytest.mark.parametrize(
    "wrong", [{"rollback": 5}, {"rollback": [1]}, {"applied": 5}, {"format": 1e999}, {"lineage": None}]
)
def test_metadata_with_a_wrong_type_is_damaged(wrong, state):
    state.write(WriteBatch(current=(Record(Address("data", "d"), {}, "f", "m", 1),)), "first")
    meta = {"format": STATE_FORMAT, "lineage": LINEAGE, "name": "small", **wrong}
    commit = refs.commit_files(
        state.repository, state.head_commit(), {"meta.json": json.dumps(meta).encode()}, "hostile"
    )
    refs.update_refs(state.repository, refs.RefUpdate(state.live_ref, commit, state.head_commit()))
    with pytest.raises(UserError, match="cannot be read"):
        state.read()


def test_ancestry_of_a_missing_commit_is_unknown(state):
    head, nowhere = state.repository.head(), "a" * 40
    assert state.repository.is_ancestor(head, nowhere) is None
    assert state.repository.is_ancestor(nowhere, head) is False
    assert state.repository.is_ancestor(head, head) is True


def test_a_write_after_a_rollback_leaves_the_rollback_in_force(state):
    first = Record(Address("data", "d"), {}, "f", "m", 1)
    head = state.repository.head()
    since = state.write(WriteBatch(current=(first,), meta={"applied": head}), "apply")
    held = {"commit": head, "to": "b" * 40, "by": "ada", "at": "now"}
    state.write(WriteBatch(meta={"applied": "b" * 40, "rollback": held}), "rollback")
    late = Record(Address("data", "e"), {}, "f", "m", 1)
    state.write(WriteBatch(current=(late,), meta={"applied": head}), "late", since=since)
    live = state.read()
    assert (live.applied_commit, live.rollback.commit) == ("b" * 40, head)
    assert late.address in live.current
