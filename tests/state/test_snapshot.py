"""The current records are a lazy mapping: lookups read only what they need, and equal those of a complete read."""

from __future__ import annotations

import pytest

from reconciler.model import Address, Record
from reconciler.state import paths
from reconciler.state.snapshot import changed_addresses
from reconciler.state.store import StateStore, WriteBatch

NAMES = ["plain", "a/b/c", "..", "a.b", "é", "日本 語", ".", "x" * 200, "a%2Fb", "%"]


def record(name: str) -> Record:
    return Record(Address("data", name), {"name": name}, "f", "m", 1, version="1")


@pytest.fixture
def state(small, opened) -> StateStore:
    store = StateStore(opened(small), "small", "1" * 32)
    store.write(WriteBatch(current=tuple(record(name) for name in NAMES)), "all")
    return store


def test_a_record_is_looked_up_by_its_exact_address(state):
    current = state.read().current
    assert [current[Address("data", name)] for name in NAMES] == [record(name) for name in NAMES]
    for address in (Address("model", "plain"), Address("data", "plai"), Address("data", ""), Address("", "plain")):
        assert address not in current
        assert current.get(address) is None


def test_lookup_length_and_iteration_agree(state):
    everything = dict(state.read().current.items())
    one_by_one = state.read().current
    assert {address: one_by_one[address] for address in one_by_one} == everything
    assert list(one_by_one) == sorted(everything)
    assert len(state.read().current) == len(everything) == len(NAMES)
    assert list(state.read().current.values()) == list(everything.values())


def test_lookups_are_the_same_after_all_records_were_read(state):
    current = state.read().current
    assert len(current.values()) == len(NAMES)
    assert Address("data", "other") not in current
    assert Address("data", "plain") in current


def test_an_address_that_is_not_utf8_has_no_record(state):
    assert Address("data", "\udcff") not in state.read().current


def test_only_the_path_of_a_current_record_has_an_address():
    for name in NAMES:
        assert paths.current_record_address(paths.current_record_path(Address("data", name))) == Address("data", name)
    for path in ("current/x.json", "current/aa/data/plain.json", "current/meta.json", "meta.json"):
        assert paths.current_record_address(path) is None


def test_prefetched_records_equal_those_read_one_by_one(state):
    current, addresses = state.read().current, [Address("data", name) for name in (*NAMES, "none")]
    current.prefetch(addresses)
    assert {address: current[address] for address in addresses if address in current} == dict(
        state.read().current.items()
    )


def test_every_file_of_an_asset_has_its_address(state):
    address = Address("data", "a/b.c")
    for path in (
        paths.current_record_path(address),
        paths.history_record_path(address, "1"),
        paths.history_record_path(address, "run-1"),
    ):
        assert paths.record_address(path) == address
    assert paths.record_address(paths.META_PATH) is None


def test_changed_addresses_are_those_that_differ_between_two_states(state):
    before = state.repository.tree_of(state.head_commit())
    state.write(WriteBatch(removed=(Address("data", "plain"),), versions=(record("é"),)), "other")
    after = state.repository.tree_of(state.head_commit())
    assert changed_addresses(state.repository, before, after) == {Address("data", "plain"), Address("data", "é")}
