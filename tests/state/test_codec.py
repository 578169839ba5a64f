from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model import (
    Address,
    Condition,
    Handle,
    Phase,
    Record,
    ResolvedReference,
    Run,
    RunStatus,
    failure_reason,
    parse_address,
)
from reconciler.state import codec, paths

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=10)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
SPECS = st.dictionaries(TEXT, VALUES, max_size=3)
NAMES = st.sampled_from(["data", "job", "model"])
ADDRESSES = st.builds(Address, NAMES, TEXT)
RESOLVED = st.builds(ResolvedReference, ADDRESSES, TEXT, TEXT) | st.builds(
    ResolvedReference, ADDRESSES, TEXT, TEXT, TEXT.filter(bool), TEXT
)
REFERENCES = st.dictionaries(TEXT, RESOLVED, max_size=3)
CONTENTS = st.dictionaries(TEXT, TEXT, max_size=3)
SIZES = st.fixed_dictionaries({"files": st.integers(0, 9), "size": st.integers(0, 9)})
STORED = st.fixed_dictionaries(
    {
        "md5": st.from_regex(r"[0-9a-f]{32}(\.dir)?", fullmatch=True),
        "sha256": TEXT,
        "size": st.just(1),
        "files": st.just(1),
    }
)
OUTPUTS = st.dictionaries(TEXT, SIZES | STORED, max_size=2)
EXTRA = st.dictionaries(TEXT.map(lambda name: f"newer {name}"), VALUES, max_size=2)
HANDLES = st.none() | st.builds(Handle, TEXT, TEXT, SPECS)
CONDITIONS = st.none() | st.builds(Condition, st.sampled_from(Phase), TEXT, TEXT, SPECS)
RECORDS = st.builds(
    Record,
    address=ADDRESSES,
    spec=SPECS,
    fingerprint=TEXT,
    metadata=TEXT,
    fp_version=st.integers(0, 9),
    version=TEXT,
    seq=st.integers(0, 99),
    contents=CONTENTS,
    references=REFERENCES,
    source=TEXT,
    declared_at=TEXT,
    applied_at=TEXT,
    realised=SPECS,
    lineage=SPECS,
    handle=HANDLES,
    condition=CONDITIONS,
    run=TEXT,
    latest=TEXT,
    unfinished=st.lists(TEXT, max_size=2).map(tuple),
    archived=st.booleans(),
    extra=EXTRA,
)
FILE_NAMES = st.from_regex(r"[^/\0\ud800-\udfff]{2,40}[^/.\0\ud800-\udfff]", fullmatch=True)
RUNS = st.builds(
    Run,
    id=FILE_NAMES,
    address=ADDRESSES,
    token=FILE_NAMES,
    fingerprint=TEXT,
    attempt=st.integers(0, 9),
    backend=TEXT,
    status=st.sampled_from(RunStatus),
    handle=HANDLES,
    parent=TEXT,
    step=TEXT,
    failure=TEXT,
    message=TEXT.map(failure_reason),  # more lines are those of a log, which an older mlgit recorded
    commit=TEXT,
    submitted_at=TEXT,
    started_at=TEXT,
    ended_at=TEXT,
    spec=SPECS,
    references=REFERENCES,
    contents=CONTENTS,
    outputs=OUTPUTS,
    metrics=SPECS,
    params=SPECS,
    realised=SPECS,
    extra=EXTRA,
)


@settings(max_examples=150, deadline=None)
@given(RECORDS)
def test_a_record_is_read_as_it_was_written(record):
    raw = codec.encode_record(record)
    assert codec.decode_record(raw) == record
    assert codec.encode_record(codec.decode_record(raw)) == raw


@settings(max_examples=150, deadline=None)
@given(RUNS)
def test_a_run_is_read_as_it_was_written(run):
    raw = codec.encode_record(run)
    assert codec.decode_run(raw) == run
    assert codec.encode_record(codec.decode_run(raw)) == raw


def test_unknown_keys_of_a_record_are_kept():
    raw = codec.encode_json(
        {"address": "data/d", "spec": {}, "fingerprint": "f", "metadata": "m", "fp_version": 1, "owner": {"team": 1}}
    )
    record = codec.decode_record(raw)
    assert record.extra == {"owner": {"team": 1}}
    assert json.loads(codec.encode_record(record)) == json.loads(raw)


def test_unknown_keys_of_a_reference_are_ignored():
    known = {"address": "data/d", "version": "1", "fingerprint": "f"}
    raw = {"address": "job/j", "spec": {}, "fingerprint": "f", "metadata": "m", "fp_version": 1}
    record = codec.decode_record(
        codec.encode_json({**raw, "references": {"/inputs/x/path": {**known, "digest": "new"}}})
    )
    assert record.references == {"/inputs/x/path": ResolvedReference(Address("data", "d"), "1", "f")}


def test_empty_fields_are_not_written():
    record = Record(Address("data", "d"), {}, "f", "m", 1)
    assert sorted(json.loads(codec.encode_record(record))) == [
        "address",
        "fingerprint",
        "fp_version",
        "metadata",
        "spec",
    ]


def test_empty_and_false_values_of_a_spec_are_written():
    record = Record(Address("data", "d"), {"a": None, "b": False, "c": 0, "d": "", "e": {}, "f": []}, "f", "m", 1)
    assert codec.decode_record(codec.encode_record(record)).spec == record.spec


@given(ADDRESSES)
def test_an_address_is_read_as_it_was_written(address):
    assert parse_address(str(address)) == address


NASTY = [
    "..",
    ".",
    "a/../../b",
    "/etc",
    "a b",
    "é",
    "日本",
    "a\\b",
    "a:b",
    "con",
    "a\nb",
    ".git",
    "%2e",
    "a.lock",
    "-x",
]


@pytest.mark.parametrize("name", NASTY)
def test_a_name_is_one_component_of_a_path_whatever_it_is(name):
    address = Address("job", name)
    first, second, kind, last = paths.current_record_path(address).split("/")
    assert (first, len(second), kind) == ("current", 2, "job")
    assert last.endswith(".json")
    parts = paths.history_record_path(address, name).split("/")
    assert [len(part) for part in (parts[2], parts[4])] == [2, 2]
    assert len(parts) == 6
    for part in (last.removesuffix(".json"), parts[3], parts[5].removesuffix(".json")):
        assert part.isascii()
        assert not set(part) & set("./\\: \n")


@given(st.lists(st.tuples(NAMES, TEXT.filter(bool)), unique=True, min_size=2, max_size=2))
def test_two_addresses_never_share_a_path(two):
    one, other = (Address(*address_parts) for address_parts in two)
    assert paths.current_record_path(one) != paths.current_record_path(other)
    assert paths.history_record_path(one, "1") != paths.history_record_path(other, "1")
    assert paths.history_record_path(one, one.name) != paths.history_record_path(one, one.name + "x")


def test_many_names_are_spread_over_many_folders():
    folders = {paths.current_record_path(Address("data", f"d{n}")).split("/")[1] for n in range(5000)}
    assert len(folders) == 256
    runs = {paths.history_record_path(Address("job", "j"), f"j-{n}").split("/")[4] for n in range(5000)}
    assert len(runs) == 256
