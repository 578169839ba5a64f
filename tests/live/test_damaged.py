"""A live state that is damaged is named with its path; nothing ends in a traceback."""

from __future__ import annotations

import pytest

from reconciler.diagnostics import UserError
from reconciler.git import refs, trees
from reconciler.live import layout
from reconciler.live.state import State, Writes
from reconciler.model import Address, Record

DATA = Address("data", "d")
PATH = layout.current(DATA)


@pytest.fixture
def state(small, opened) -> State:
    found = State(opened(small), "small", "1" * 32)
    found.write(Writes(current=(Record(DATA, {}, "f", "m", 1, version="1"),)), "one")
    return found


def put(state, path, content):
    base = refs.read(state.repository, state.ref)
    refs.swap(state.repository, state.ref, refs.commit_files(state.repository, base, {path: content}, "broken"), base)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"address": 1}', b'{"address": "data/d"}'])
@pytest.mark.parametrize("path", [PATH, layout.META])
def test_a_file_that_mlgit_has_not_written_is_named(state, path, content):
    put(state, path, content)
    with pytest.raises(UserError) as raised:
        state.read()
    (problem,) = raised.value.diagnostics
    assert problem.code == "state-corrupt"
    assert path in problem.message
    assert f"git log {state.ref} -- {path}" in problem.hint


def test_a_version_that_mlgit_has_not_written_is_named(state):
    put(state, layout.history(DATA, "1"), b"no")
    live = state.read()
    with pytest.raises(UserError) as raised:
        live.version(DATA, "1")
    assert raised.value.diagnostics[0].code == "state-corrupt"


def test_a_record_whose_bytes_are_gone_is_named(state, small):
    oid = trees.entries(state.repository, refs.read(state.repository, state.ref))[PATH].oid
    loose = small / ".git/objects" / oid[:2] / oid[2:]
    assert loose.exists()
    state.repository.close()
    loose.unlink()
    with pytest.raises(UserError) as raised:
        state.read()
    (problem,) = raised.value.diagnostics
    assert problem.code == "state-corrupt"
    assert PATH in problem.message
