"""A damaged live state is reported with the path of the damage, without a traceback."""

from __future__ import annotations

import pytest

from reconciler.diagnostics import UserError
from reconciler.git import refs, trees
from reconciler.model import Address, Record
from reconciler.state import paths
from reconciler.state.store import StateStore, WriteBatch

DATA = Address("data", "d")
PATH = paths.current_record_path(DATA)


@pytest.fixture
def state(small, opened) -> StateStore:
    store = StateStore(opened(small), "small", "1" * 32)
    store.write(WriteBatch(current=(Record(DATA, {}, "f", "m", 1, version="1"),)), "one")
    return store


def put(state, path, content):
    base = refs.resolve_ref(state.repository, state.live_ref)
    commit = refs.commit_files(state.repository, base, {path: content}, "broken")
    refs.update_refs(state.repository, refs.RefUpdate(state.live_ref, commit, base))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"address": 1}', b'{"address": "data/d"}'])
@pytest.mark.parametrize("path", [PATH, paths.META_PATH])
def test_a_file_that_mlgit_did_not_write_is_reported(state, path, content):
    put(state, path, content)
    with pytest.raises(UserError) as raised:
        dict(state.read().current)
    (problem,) = raised.value.diagnostics
    assert problem.code == "state-corrupt"
    assert path in problem.message
    assert f"git log {state.live_ref} -- {path}" in problem.hint


def test_a_version_that_mlgit_did_not_write_is_reported(state):
    put(state, paths.history_record_path(DATA, "1"), b"no")
    live = state.read()
    with pytest.raises(UserError) as raised:
        live.find_version(DATA, "1")
    assert raised.value.diagnostics[0].code == "state-corrupt"


def test_a_record_whose_object_is_missing_is_reported(state, small):
    oid = trees.list_files(state.repository, refs.resolve_ref(state.repository, state.live_ref))[PATH].oid
    object_file = small / ".git/objects" / oid[:2] / oid[2:]
    assert object_file.exists()
    state.repository.close()
    object_file.unlink()
    with pytest.raises(UserError) as raised:
        dict(state.read().current)
    (problem,) = raised.value.diagnostics
    assert problem.code == "state-corrupt"
    assert PATH in problem.message


def test_looking_up_one_damaged_record_reports_it(state, small):
    put(state, PATH, b"{}")
    with pytest.raises(UserError) as raised:
        state.read().current.get(DATA)
    assert PATH in raised.value.diagnostics[0].message


def test_a_record_whose_object_is_missing_is_never_taken_for_an_absent_one(state, small):
    commit = refs.resolve_ref(state.repository, state.live_ref)
    for path in (PATH, PATH.rpartition("/")[0], PATH.partition("/")[0]):
        oid = state.repository.git("rev-parse", f"{commit}:{path}")
        object_file = small / ".git/objects" / oid[:2] / oid[2:]
        content = object_file.read_bytes()
        state.repository.close()
        object_file.unlink()
        with pytest.raises(UserError) as raised:
            state.read(commit).current.get(DATA)
        assert raised.value.diagnostics[0].code == "state-corrupt"
        object_file.write_bytes(content)
    assert state.read(commit).current.get(DATA) is not None


def test_a_record_at_the_path_of_another_is_reported(state):
    other = paths.current_record_path(Address("data", "e"))
    put(state, other, trees.read_file_at(state.repository, refs.resolve_ref(state.repository, state.live_ref), PATH))
    current = state.read().current
    for read in (lambda: current.get(Address("data", "e")), current.values):
        with pytest.raises(UserError) as raised:
            read()
        assert other in raised.value.diagnostics[0].message
